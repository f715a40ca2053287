import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/starttls/**/*.test.ts"],
    // Each file starts servers of its own: one at a time leaves the machine to them.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for may take its time on a busy machine; by itself a poll gives up after a second.
    expect: { poll: { timeout: 40_000 } },
  },
})
