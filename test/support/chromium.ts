import { existsSync } from "node:fs"
import { type Browser, chromium } from "playwright-core"

/** Where Debian's package puts it; another place by `TLSROUTE_CHROMIUM`. */
const executablePath = process.env["TLSROUTE_CHROMIUM"] ?? "/usr/bin/chromium"

/** Why tests in a browser are skipped, or `undefined` when there is one. CI requires it. */
export function missingChromium(): string | undefined {
  if (existsSync(executablePath)) return undefined
  if (process.env["TLSROUTE_REQUIRE_CLIENTS"] === "1")
    throw new Error(`Chromium must be installed at ${executablePath}`)
  return `there is no Chromium at ${executablePath}; TLSROUTE_CHROMIUM names another`
}

/** Starts a browser without a window, which asks nobody on the network but those it is sent to. */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
  // Its sandbox needs a user that is not root.
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", ...quiet, ...args] })
}
