/** All of the harness: see README.md beside. */
export { BROWSERS, launch, withBrowser, withProfile, within } from './browser.mjs';
export { bundle, html, PACKAGE, PROJECT, serveSite } from './bundle.mjs';
export { Page } from './page.mjs';
export { serve } from './server.mjs';
