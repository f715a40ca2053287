import type { IncomingMessage } from "node:http"
import { http } from "../../kubernetes/node-http.ts"
import type { Moment, Scene } from "../admin/overview.ts"
import { formatAddress } from "../shared/terminal.ts"
import { isErrno } from "../shared/usage-error.ts"

/** Where an admin server is. */
export interface AdminTarget {
  readonly host: string
  readonly port: number
}

/** What the admin server tells: what there is, and what each second brings. */
export type OverviewEvent =
  | { readonly kind: "scene"; readonly scene: Scene }
  | { readonly kind: "moment"; readonly moment: Moment }

/** Nothing can be read from the admin server. The message says why and what to do. */
export class AdminUnreadable extends Error {
  override readonly name = "AdminUnreadable"
}

/** Milliseconds without a word, where one is said each second. */
const SILENCE_MS = 5_000
/** Characters of one event: ten times what the largest scene and moment take. */
const MOST_CHARACTERS = 16 * 1024 * 1024

/**
 * Reads what the live page of an admin server shows, once a second.
 *
 * @param filter - what the list of connections is for; empty for the busiest of all
 * @throws AdminUnreadable when there is none, when something else answers, and when it ends
 */
export async function* readOverview(
  target: AdminTarget,
  filter: string,
  signal: AbortSignal,
): AsyncGenerator<OverviewEvent, never> {
  const where = formatAddress(target.host, target.port)
  const response = await ask(target, where, filter, signal)
  const parser = new EventParser()
  try {
    response.setEncoding("utf8")
    for await (const chunk of response as AsyncIterable<string>) {
      for (const { name, data } of parser.push(chunk)) {
        const event = readEvent(name, data)
        if (event === undefined) throw somethingElse(where, "what it tells is not what this version reads")
        yield event
      }
      if (parser.waiting > MOST_CHARACTERS) throw somethingElse(where, "it tells too much at once")
    }
  } catch (error) {
    if (!isErrno(error)) throw error
  } finally {
    response.destroy()
  }
  throw new AdminUnreadable(`the admin server at ${where} is gone`)
}

async function ask(target: AdminTarget, where: string, filter: string, signal: AbortSignal): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const path = `/events?filter=${encodeURIComponent(filter)}`
    const request = http.get(
      { ...target, path, agent: false, signal, headers: { accept: "text/event-stream" } },
      resolve,
    )
    request.setTimeout(SILENCE_MS, () => request.destroy(silence(where)))
    request.on("error", (error) => reject(asUnreadable(error, where)))
  })
  const { statusCode, headers } = response
  if (statusCode === 200 && headers["content-type"]?.startsWith("text/event-stream")) {
    response.setTimeout(SILENCE_MS, () => response.destroy(silence(where)))
    return response
  }
  response.destroy()
  if (statusCode === 503) throw new AdminUnreadable(`too many watch ${where} already: close one, or try again later`)
  if (statusCode === 403) throw new AdminUnreadable(`${where} listens on loopback: ask for 127.0.0.1 or localhost`)
  throw somethingElse(where, `it answers ${statusCode}`)
}

function silence(where: string): AdminUnreadable {
  return new AdminUnreadable(`the admin server at ${where} has said nothing for ${SILENCE_MS / 1_000} seconds`)
}

function somethingElse(where: string, why: string): AdminUnreadable {
  return new AdminUnreadable(`${where} is not the admin server of a gateway (${why}): name its address with --admin`)
}

function asUnreadable(error: Error, where: string): Error {
  if (error instanceof AdminUnreadable || error.name === "AbortError") return error
  if (isErrno(error) && error.code?.startsWith("HPE_")) return somethingElse(where, "it speaks no HTTP")
  const why = isErrno(error) ? error.code : error.message
  return new AdminUnreadable(
    `no admin server answers at ${where} (${why}): start the gateway with --admin, or name its address here`,
  )
}

/** Cuts a stream of server-sent events into events, as far as an admin server uses the format. */
export class EventParser {
  #text = ""

  /** Characters of an event that has not ended yet. */
  get waiting(): number {
    return this.#text.length
  }

  /** Takes a piece of the stream. @returns the events that end in it */
  push(chunk: string): readonly { readonly name: string; readonly data: string }[] {
    // What came before has no end in it, but for a line break that may be the first half of one.
    const from = Math.max(0, this.#text.length - 1)
    this.#text += chunk
    if (!this.#text.includes("\n\n", from)) return []
    const events = this.#text.split("\n\n")
    this.#text = events.pop() ?? ""
    return events.map((event) => {
      const lines = event.split("\n")
      const field = (name: string): string =>
        lines
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join("\n")
      return { name: field("event"), data: field("data") }
    })
  }
}

/** The event, if it has all that is drawn; `undefined` if something else sent it. */
export function readEvent(name: string, data: string): OverviewEvent | undefined {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return undefined
  }
  if (name === "scene" && isScene(value)) return { kind: "scene", scene: value as Scene }
  if (name === "moment" && isMoment(value)) return { kind: "moment", moment: value as Moment }
  return undefined
}

type Check = (value: unknown) => boolean

const text: Check = (value) => typeof value === "string"
const amount: Check = (value) => typeof value === "number"
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value)
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const each =
  (check: Check): Check =>
  (value) =>
    isRecord(value) && Object.values(value).every(check)
const fields = (checks: Readonly<Record<string, Check>>): Check => {
  const entries = Object.entries(checks)
  return (value) => isRecord(value) && entries.every(([name, check]) => check(value[name]))
}

const flow = fields({ live: amount, rate: amount, refusedRate: amount, up: amount, down: amount })

const isScene = fields({
  version: text,
  started: amount,
  listeners: list(
    fields({
      key: text,
      bound: maybe(text),
      error: maybe(text),
      listeners: list(fields({ id: text, hostname: text })),
    }),
  ),
  routes: fields({
    total: amount,
    list: list(
      fields({
        name: text,
        hostnames: list(text),
        backends: list(
          fields({
            name: text,
            weight: amount,
            target: text,
            error: maybe(text),
            endpoints: fields({
              total: amount,
              leftOut: amount,
              list: list(fields({ where: text, unhealthy: maybe(text) })),
            }),
          }),
        ),
      }),
    ),
  }),
  problems: fields({ total: amount }),
})

const isMoment = fields({
  at: amount,
  live: amount,
  serving: maybe((value) => typeof value === "boolean"),
  loopDelay: amount,
  listeners: each(flow),
  routes: each(flow),
  endpoints: each(amount),
  failures: each(
    fields({ connections: amount, why: text, last: amount, covered: (value) => typeof value === "boolean" }),
  ),
  refusals: list(fields({ serverName: maybe(text), outcome: text, detail: maybe(text), count: amount, last: amount })),
  connections: list(
    fields({
      serverName: maybe(text),
      client: text,
      route: maybe(text),
      endpoint: maybe(text),
      state: text,
      since: amount,
      upRate: amount,
      downRate: amount,
    }),
  ),
})
