/**
 * The page: one store, and views that each show a part of it.
 */

import { sessionOf } from './session.js';
import { StatsFeed } from './stats-feed.js';
import { showCare } from './views/care.js';
import { showCarry } from './views/carry.js';
import { showChanges } from './views/changes.js';
import { showLoad } from './views/load.js';
import { showMerge } from './views/merge.js';
import { showNotice } from './views/notice.js';
import { showNumbers } from './views/numbers.js';
import { showOne } from './views/one.js';
import { showPlace } from './views/place.js';
import { showScan } from './views/scan.js';
import { showSegments } from './views/segments.js';

const session = sessionOf(new URLSearchParams(location.search));
const stats = new StatsFeed(session);

showPlace(session);
showNotice(session);
const one = showOne(session, stats);
showLoad(session, stats);
showSegments(stats);
showMerge(session, stats);
showScan(session, stats, one);
showChanges(session, stats);
showCarry(session, stats);
showNumbers(session, stats);
showCare(session, stats);

// Without a store nothing can be asked of it.
session.phase.observe(({ is }) => {
    for (const fields of document.querySelectorAll('fieldset')) fields.disabled = is !== 'open';
    document.documentElement.dataset['store'] = is;
});

void session.open();
