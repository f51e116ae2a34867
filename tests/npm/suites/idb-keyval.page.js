import * as theirs from 'idb-keyval';
import * as ours from 'mini-bitcask/idb-keyval';
import { shown, story } from './idb-keyval.cases.js';

globalThis.tell = async () => [await story(theirs, 'name'), await story(ours, 'name')].map((told) => told.map(shown));
globalThis.ready = true;
