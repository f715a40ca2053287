import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      "test/kubernetes/**",
      "test/peers/**",
      "test/quic-peers/**",
      "test/starttls/**",
      "test/fuzz/**",
      "node_modules/**",
    ],
    // Style sheets are emptied otherwise, also those that are wanted as text.
    css: true,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // What is waited for may take its time on a busy machine; by itself a poll gives up after a second.
    expect: { poll: { timeout: 20_000 } },
  },
})
