import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/kubernetes/**/*.test.ts"],
    globalSetup: ["test/kubernetes/support/setup.ts"],
    // Each file has an API server of its own: one at a time leaves the machine to what is measured.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What is waited for may take its time on a busy machine; by itself a poll gives up after a second.
    expect: { poll: { timeout: 60_000 } },
  },
})
