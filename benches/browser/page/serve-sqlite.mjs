import { serve } from './remote.mjs';
import { openSqlite } from './sqlite.mjs';

serve(openSqlite);
