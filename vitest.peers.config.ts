import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/peers/**/*.test.ts"],
    // Servers of other projects start beside each file: one at a time leaves the machine to them.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
