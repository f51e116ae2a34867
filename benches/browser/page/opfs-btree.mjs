/** The crate opfs-btree, through a thin wrapper of ours. Writes are in memory until a checkpoint. */
import init, { Tree } from '../opfs-btree/pkg/bench_opfs_btree.js';

/** Opens a tree of bytes. */
export async function openTree(name) {
    await init({ module_or_path: '/opfs-btree/bench_opfs_btree_bg.wasm' });
    return Tree.open(name);
}
