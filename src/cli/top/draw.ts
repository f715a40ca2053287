import type { BackendFailure } from "../admin/failures.ts"
import type { Flow } from "../admin/flows.ts"
import type { Moment, Scene } from "../admin/overview.ts"
import { count } from "../shared/terminal.ts"
import { bytes, type Column, clip, duration, type Line, perSecond, type Span, share, span, table } from "./text.ts"
import type { View } from "./view.ts"

/** Columns and rows of the screen; `Infinity` where there is no end. */
export interface Size {
  readonly columns: number
  readonly rows: number
}

const NO_FLOW: Flow = { live: 0, connections: 0, refused: 0, rate: 0, refusedRate: 0, up: 0, down: 0 }
const EMPTY: Line = []

/** A drawn screen. */
export interface Drawn {
  readonly lines: readonly Line[]
  /** How far the connections are scrolled, now that the room for them is known. */
  readonly scroll: number
}

/** Draws what is told on a screen of that size: never more lines than it has rows, none longer than its columns. */
export function draw(view: View, { columns, rows }: Size): Drawn {
  const { scene, moment } = view
  const top = [header(view), totals(view)]
  const sections = [
    listeners(scene, moment, columns),
    routes(scene, moment, columns),
    ...(moment === undefined ? [] : [refusals(moment, columns), connections(view, moment, columns)]),
  ]
  if (!Number.isFinite(rows)) {
    const lines = [...top, ...sections.flatMap(({ title, lines }) => [EMPTY, title, ...lines])]
    return { lines: lines.map((line) => clip(line, columns)), scroll: 0 }
  }
  const last = rows > 1 ? [keys(view)] : []
  const shares = roomFor(sections, rows - top.length - last.length)
  const drawn = sections.map((section, at) => drawSection(section, shares[at] ?? 0))
  const shown = [...top, ...drawn.flatMap(({ lines }) => lines)]
  const blank = Array.from({ length: Math.max(0, rows - last.length - shown.length) }, () => EMPTY)
  const lines = [...[...shown, ...blank].slice(0, Math.max(0, rows - last.length)), ...last]
  const scroll = moment === undefined ? 0 : (drawn.at(-1)?.scroll ?? 0)
  return { lines: lines.map((line) => clip(line, columns)), scroll }
}

interface Section {
  readonly title: Line
  /** The first one is the head of a table. */
  readonly lines: readonly Line[]
  /** Lines that are left out below the head. */
  readonly scroll?: number
}

/** Rows of a section that has something to show: a blank line, the title, the head, a row, and what is left out. */
const LEAST_ROWS = 5
/** Where there is no room for a row of each: listeners go first, then who was refused, then routes. */
const GOES = [0, 2, 1]

/** Rows for each section, among those that there is room for. */
function roomFor(sections: readonly Section[], rows: number): readonly number[] {
  const gone = new Set<number>()
  for (;;) {
    const wants = sections.map(({ lines }, at) => (gone.has(at) ? 0 : lines.length + 2))
    const shares = share(rows, wants)
    const goes = GOES.find((at) => at < sections.length && !gone.has(at))
    const isTight = shares.some((given, at) => given < Math.min(wants[at] ?? 0, LEAST_ROWS))
    if (!isTight || goes === undefined) return shares
    gone.add(goes)
  }
}

/** A blank line, the title, and as many lines as fit; fewer than one row of them is nothing. */
function drawSection({ title, lines, scroll = 0 }: Section, rows: number): Drawn {
  if (lines.length + 2 <= rows) return { lines: [EMPTY, title, ...lines], scroll: 0 }
  const [head = EMPTY, ...rest] = lines
  // Beside the blank line, the title and the head, one tells what is left out.
  const most = rows - 4
  if (most < 1) return { lines: [], scroll: 0 }
  const above = Math.min(scroll, rest.length - most)
  const below = rest.length - above - most
  const left = [...(above > 0 ? [`${above} above`] : []), ...(below > 0 ? [`${below} below`] : [])].join(", ")
  const shown = rest.slice(above, above + most)
  return { lines: [EMPTY, title, head, ...shown, [span(`  ${left}`, "dim")]], scroll: above }
}

function header({ address, scene, moment, lost, isPaused }: View): Line {
  const unbound = scene.listeners.filter(({ bound }) => bound === undefined || bound === null).length
  const state: Span =
    lost !== undefined
      ? span(lost, "red")
      : moment?.serving === false
        ? span("not ready", "yellow")
        : unbound > 0
          ? span(`${count(unbound, "port")} not bound`, "red")
          : scene.listeners.length === 0
            ? span("no port to serve", "yellow")
            : span("serving", "green")
  const uptime = moment === undefined ? "" : `  up ${duration(moment.at - scene.started)}`
  const { total } = scene.problems
  return [
    span(`tlsroute ${scene.version}`, "bold"),
    span(` at ${address}  `),
    state,
    span(uptime),
    ...(total === 0 ? [] : [span("  "), span(count(total, "problem"), "yellow")]),
    ...(isPaused ? [span("  "), span("paused", "yellow")] : []),
  ]
}

function totals({ moment }: View): Line {
  if (moment === undefined) return [span("waiting for the first second to pass", "dim")]
  const sum = (field: "rate" | "refusedRate" | "up" | "down"): number =>
    Object.values(moment.listeners).reduce((all, flow) => all + flow[field], 0)
  const refused = sum("refusedRate")
  return [
    span(`live ${moment.live}`, "bold"),
    span(`  new ${perSecond(sum("rate"))}/s  `),
    span(`refused ${perSecond(refused)}/s`, refused > 0 ? "red" : undefined),
    span(`  up ${bytes(sum("up"))}/s  down ${bytes(sum("down"))}/s  loop delay ${Math.round(moment.loopDelay)} ms`),
  ]
}

const FLOW: readonly Column[] = [
  { title: "LIVE", kind: "number", goes: 0 },
  { title: "NEW/S", kind: "number", goes: 3 },
  { title: "REFUSED/S", kind: "number", goes: 4 },
  { title: "UP/S", kind: "number", goes: 2 },
  { title: "DOWN/S", kind: "number", goes: 1 },
]

function flowCells({ live, rate, refusedRate, up, down }: Flow = NO_FLOW): Line {
  return [
    span(String(live)),
    span(perSecond(rate)),
    span(perSecond(refusedRate), refusedRate > 0 ? "red" : undefined),
    span(bytes(up)),
    span(bytes(down)),
  ]
}

function listeners(scene: Scene, moment: Moment | undefined, columns: number): Section {
  const head: readonly Column[] = [
    { title: "PORT", kind: "text", goes: 0 },
    { title: "LISTENERS", kind: "text", goes: 5 },
    ...FLOW,
  ]
  const rows = scene.listeners.map(({ key, bound, starttls, quic, listeners }) => [
    bound === undefined || bound === null
      ? span(`${key} not bound`, "red")
      : span(
          [bound, ...(starttls ? [`${starttls}, then TLS`] : []), ...(quic && !quic.error ? ["and QUIC"] : [])].join(
            " ",
          ),
        ),
    span(listeners.map(({ id, hostname }) => `${id} (${hostname})`).join(", ")),
    ...flowCells(own(moment?.listeners, key)),
  ])
  const [first = EMPTY, ...drawn] = listed(head, rows, columns, "  none")
  const lines = drawn.flatMap((line, at) => {
    const { error, quic } = scene.listeners[at] ?? {}
    const faults = [error, quic?.error ? `no QUIC: ${quic.error}` : undefined]
      .map(fault)
      .filter(({ length }) => length > 0)
    return [line, ...faults.map((told) => [span("  "), ...told])]
  })
  return { title: [span("Listeners", "cyan")], lines: [first, ...lines] }
}

function routes(scene: Scene, moment: Moment | undefined, columns: number): Section {
  const head: readonly Column[] = [
    { title: "ROUTE", kind: "text", goes: 0 },
    { title: "HOSTNAMES", kind: "text", goes: 5 },
    ...FLOW,
  ]
  const { total, list } = scene.routes
  const rows = list.map(({ name, hostnames }) => [
    span(name),
    span(hostnames.join(", ")),
    ...flowCells(own(moment?.routes, name)),
  ])
  const [first = EMPTY, ...drawn] = listed(head, rows, columns, "  none")
  const lines = list.length === 0 ? drawn : drawn.flatMap((line, at) => [line, ...backends(list[at], moment)])
  const left = total > list.length ? ` (${total}, the first ${list.length} here)` : ""
  return { title: [span("Routes", "cyan"), span(left)], lines: [first, ...lines] }
}

/** Backends of one route, and under each the endpoints that its checks find unhealthy. */
function backends(route: Scene["routes"]["list"][number] | undefined, moment: Moment | undefined): readonly Line[] {
  return (route?.backends ?? []).flatMap(({ name, weight, target, error, endpoints }) => {
    const unhealthy = endpoints.list.filter(({ unhealthy }) => unhealthy !== undefined && unhealthy !== null)
    const healthy = endpoints.total - endpoints.leftOut
    const failure = own(moment?.failures, target)
    const told = [
      `${own(moment?.endpoints, target) ?? 0} live`,
      `weight ${weight}`,
      endpoints.leftOut === 0
        ? count(endpoints.total, "endpoint")
        : `${healthy} of ${endpoints.total} endpoints healthy`,
    ]
    return [
      [span("  -> ", "dim"), span(name), span(`  ${told.join(", ")}`, "dim"), ...fault(error)],
      ...unhealthy.map(({ where, unhealthy }) => [span("     unhealthy ", "red"), span(where), ...fault(unhealthy)]),
      ...(failure === undefined || moment === undefined ? [] : [failureLine(failure, moment.at)]),
    ]
  })
}

/** What fails about a backend. */
function failureLine({ connections, why, last, covered }: BackendFailure, at: number): Line {
  const times = connections === 0 ? "" : `${count(connections, "connection")} in a row did not reach it: `
  const rest = covered ? "; an older answer is in use" : ""
  return [span("     "), span(`${times}${why}, ${duration(at - last)} ago${rest}`, covered ? "yellow" : "red")]
}

function fault(text: string | undefined | null): Line {
  return text === undefined || text === null ? [] : [span("  "), span(text, "red")]
}

function refusals({ at, refusals }: Moment, columns: number): Section {
  const head: readonly Column[] = [
    { title: "NAME", kind: "text", goes: 0 },
    { title: "WHY", kind: "text", goes: 1 },
    { title: "COUNT", kind: "number", goes: 0 },
    { title: "AGO", kind: "number", goes: 2 },
  ]
  const rows = refusals.map(({ serverName, outcome, detail, count, last }) => [
    serverName === undefined || serverName === null ? span("no name", "dim") : span(serverName),
    span(detail ? `${outcome}: ${detail}` : outcome, "red"),
    span(String(count)),
    span(duration(at - last)),
  ])
  return { title: [span("Refused", "cyan")], lines: listed(head, rows, columns, "  nobody") }
}

function connections({ filter, scroll }: View, { at, live, connections }: Moment, columns: number): Section {
  const head: readonly Column[] = [
    { title: "NAME", kind: "text", goes: 0 },
    { title: "CLIENT", kind: "text", goes: 3 },
    { title: "ROUTE", kind: "text", goes: 4 },
    { title: "ENDPOINT", kind: "text", goes: 5 },
    { title: "STATE", kind: "text", goes: 7 },
    { title: "AGE", kind: "number", goes: 6 },
    { title: "UP/S", kind: "number", goes: 1 },
    { title: "DOWN/S", kind: "number", goes: 0 },
  ]
  const rows = connections.map(({ serverName, client, route, endpoint, state, since, upRate, downRate }) => [
    serverName === undefined || serverName === null ? span("no name", "dim") : span(serverName),
    span(client),
    span(route ?? ""),
    span(endpoint ?? ""),
    span(state),
    span(duration(at - since)),
    span(bytes(upRate)),
    span(bytes(downRate)),
  ])
  const told = [
    ...(connections.length < live ? [`${connections.length} of ${live}`] : []),
    ...(filter === "" ? [] : [`with ${JSON.stringify(filter)}`]),
  ]
  return {
    title: [span("Connections", "cyan"), span(told.length === 0 ? "" : ` (${told.join(" ")})`)],
    lines: listed(head, rows, columns, "  none"),
    scroll,
  }
}

function listed(head: readonly Column[], rows: readonly Line[], columns: number, none: string): readonly Line[] {
  return rows.length === 0 ? [[span(none, "dim")]] : table(head, rows, columns)
}

function keys({ typing, filter, isPaused }: View): Line {
  if (typing !== undefined)
    return [span("/", "cyan"), span(typing), span("_"), span("  Enter filters, Esc leaves", "dim")]
  const clear = filter === "" ? "" : "  Esc all connections"
  return [span(`q quit  / filter  p ${isPaused ? "go on" : "pause"}  arrows scroll${clear}`, "dim")]
}

/** What the record has under that key, and not what every object has. */
function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined
}
