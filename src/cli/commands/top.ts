import { Command, InvalidArgumentError, Option } from "../shared/commander.ts"
import { formatAddress, printJson, terminal } from "../shared/terminal.ts"
import { UsageError } from "../shared/usage-error.ts"
import { draw } from "../top/draw.ts"
import { type AdminTarget, AdminUnreadable, readOverview } from "../top/events.ts"
import { watch } from "../top/watch.ts"

interface TopFlags {
  readonly admin: AdminTarget
  readonly filter?: string
  readonly once?: true
  readonly json?: true
}

const KEYS = `
Keys:
  q, Ctrl-C            quit
  /                    type what the connections are to have: part of a name, a route or an address, or a state
  Esc                  all connections again
  p, Space             hold still, and go on
  arrows, j, k, g, G   scroll the connections`

/** `tlsroute top`: what the live page of a running gateway shows, in a terminal. */
export function topCommand(): Command {
  return new Command("top")
    .description("watch a running gateway: traffic, routes, refusals and live connections")
    .addOption(
      new Option("--admin <address:port>", "where the gateway serves its --admin")
        .argParser(parseTarget)
        .default(parseTarget("127.0.0.1:9900"), "127.0.0.1:9900"),
    )
    .option("--filter <text>", "connections that have it: part of a name, a route or an address, or a state")
    .option("--once", "print what there is, once, and exit; so does a standard output that is no terminal")
    .option("--json", "print it, once, as one JSON object")
    .addHelpText("after", KEYS)
    .action(top)
}

async function top({ admin, filter = "", once, json }: TopFlags): Promise<void> {
  try {
    if (json || once || !process.stdout.isTTY) await printOnce(admin, filter, json === true)
    else await watch(admin, formatAddress(admin.host, admin.port), filter)
  } catch (error) {
    if (error instanceof AdminUnreadable) throw new UsageError(error.message)
    throw error
  }
}

async function printOnce(target: AdminTarget, filter: string, isJson: boolean): Promise<void> {
  let scene: Parameters<typeof draw>[0]["scene"] | undefined
  for await (const event of readOverview(target, filter, new AbortController().signal)) {
    if (event.kind === "scene") scene = event.scene
    if (event.kind === "scene" || scene === undefined) continue
    const { moment } = event
    if (isJson) return printJson({ scene, moment })
    const address = formatAddress(target.host, target.port)
    const shown = { typing: undefined, isPaused: false, scroll: 0, lost: undefined }
    const size = { columns: process.stdout.columns || Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY }
    const out = terminal(process.stdout)
    for (const line of draw({ address, scene, moment, filter, ...shown }, size).lines) {
      out.line(line.map(({ text, look }) => (look === undefined ? text : out.style(look, text))).join(""))
    }
    return
  }
}

/** Reads `127.0.0.1:9900`, `[::1]:9900`, `gateway.example:9900`, and `:9900`, which stands for loopback. */
function parseTarget(text: string): AdminTarget {
  const [, bracketed, plain, digits] = /^(?:\[([\da-f:.]+)\]|([\w.-]*)):(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  if (!(port >= 1 && port <= 65_535)) {
    throw new InvalidArgumentError("Expected ADDRESS:PORT, for example 127.0.0.1:9900.")
  }
  return { host: bracketed ?? (plain || "127.0.0.1"), port }
}
