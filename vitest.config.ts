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
  },
})
