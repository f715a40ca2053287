import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/quic-peers/**/*.test.ts"],
    globalSetup: ["test/quic-peers/support/setup.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
