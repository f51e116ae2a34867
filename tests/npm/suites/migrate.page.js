import * as idb from 'idb-keyval';
import localforage from 'localforage';
import * as bitcask from 'mini-bitcask';
import * as adapter from 'mini-bitcask/idb-keyval';
import * as migrate from 'mini-bitcask/migrate';
import { scenarios } from './migrate.scenarios.js';

globalThis.run = (name) => scenarios({ ...bitcask, idb, localforage, adapter, migrate })[name]();
globalThis.ready = true;
