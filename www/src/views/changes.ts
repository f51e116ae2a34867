/**
 * What is written, as it is written.
 */

import type { Change } from 'mini-bitcask';
import { byId, element, perFrame } from '../dom.js';
import { bytes, counted } from '../format.js';
import type { Bytes, Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { preview } from '../text.js';
import { say, sayError } from './say.js';

/** As many as fit without scrolling. */
const SHOWN = 8;

type ByteChange = Change<Uint8Array, Uint8Array>;

/** Shows the last changes from the opening on. What else shows the store hears of them, whoever made them. */
export function showChanges(session: Session, stats: StatsFeed): void {
    const list = byId('changes', HTMLElement);
    const said = byId('changes-said', HTMLElement);
    let last: ByteChange[] = [];
    let total = 0;

    const draw = perFrame(() => {
        list.replaceChildren(...last.map(lineOf));
        say(
            said,
            total === 0 ? 'None since the page was opened.' : `${counted(total, 'change')} since the page was opened.`,
        );
    });
    const follow = async (store: Bytes, signal: AbortSignal): Promise<void> => {
        try {
            for await (const change of store.watch({ signal })) {
                last = [change, ...last.slice(0, SHOWN - 1)];
                total += 1;
                draw();
                stats.hurry();
            }
        } catch (error) {
            if (!signal.aborted && session.store === store) sayError(said, error);
        }
    };

    let following: AbortController | undefined;
    session.phase.observe((phase) => {
        following?.abort();
        following = undefined;
        if (phase.is !== 'open') return;
        following = new AbortController();
        draw();
        void follow(phase.store, following.signal);
    });
}

function lineOf(change: ByteChange): HTMLLIElement {
    const version = element('span', 'version', `${change.version}`);
    if (change.type === 'reset') return element('li', '', version, 'the log was merged in between');
    const key = element('span', 'mono key', preview(change.key, 60).text);
    const kind = element('span', `kind ${change.type}`, change.type);
    const size = change.type === 'set' ? element('span', 'size', bytes(change.value.length)) : '';
    return element('li', '', version, kind, key, size);
}
