import { defineConfig } from 'vitest/config';

export default defineConfig({
    test: { include: ['suites/keyv/*.spec.mjs'], testTimeout: 60_000, hookTimeout: 60_000, watch: false },
});
