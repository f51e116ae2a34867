import { bareLog } from './bare-log.mjs';
import { serve } from './remote.mjs';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

serve(async (name) => {
    const log = await bareLog(name);
    return {
        set: (key, value) => log.put(key, encoder.encode(value)),
        get(key) {
            const bytes = log.get(key);
            return bytes && decoder.decode(bytes);
        },
        close: () => log.close(),
    };
});
