import { hostname } from "node:os"
import { forgetOldest } from "../primitives/forget-oldest.ts"
import type { KubernetesObject, ObjectRef } from "../routing/resources.ts"
import type { ApiClient } from "./api-client.ts"
import { pause } from "./backoff.ts"
import { isNotFound, mayPass } from "./errors.ts"
import { microTime } from "./micro-time.ts"
import { RateLimit } from "./rate-limit.ts"
import { apiVersionOf, resourcePath } from "./resource-kinds.ts"
import type { EventDraft } from "./status-events.ts"

/** What {@link EventRecorder} is told; every value is given. */
export interface EventRecorderOptions {
  readonly client: ApiClient
  /** `reportingController`. */
  readonly controllerName: string
  /** `reportingInstance`; default the host's name. */
  readonly instance: string | undefined
  /** Told of Events that could not be written. */
  readonly onFailed: (error: unknown, lost: number) => void
}

/** The object that an Event is about. */
export interface Regarding {
  readonly ref: ObjectRef
  readonly object: KubernetesObject
}

const API_VERSION = "events.k8s.io/v1"
// Servers take 1 kB; a character may be three bytes of it.
const MAX_NOTE = 1000
const MAX_NAME = 230
/** What happens again within this time is counted on the same Event. API servers forget Events after an hour. */
const SERIES_MS = 10 * 60_000
/** How often the count of a series is written. */
const SERIES_REST_MS = 30_000
const PER_SECOND = 10
const BURST = 50
/** Of one object: a few at once, then two a minute. */
const OBJECT_BURST = 10
const OBJECT_REFILL_MS = 30_000
const MAX_WAITING = 500
const MAX_KNOWN = 2_000
const TRIES = 3
const RETRY_MS = 1_000
const TELL_AGAIN_MS = 60_000

interface Series {
  readonly regarding: Regarding
  readonly draft: EventDraft
  name: string | undefined
  count: number
  lastAt: number
  writtenAt: number
  /** Whether it waits in the queue, or for its rest. */
  waiting: boolean
}

interface Allowance {
  left: number
  at: number
}

/**
 * Writes Events (`events.k8s.io/v1`) about objects. The same thing said again is counted on one Event as a series;
 * a rate for all and an allowance for each object hold however much happens, and what is over them is dropped, `Normal`
 * before `Warning`. Events are for people: nothing waits for them, and none is worth more than three tries.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #instance: string
  readonly #rate = new RateLimit(PER_SECOND, BURST)
  readonly #known = new Map<string, Series>()
  readonly #allowances = new Map<string, Allowance>()
  readonly #stop = new AbortController()
  #queue: Series[] = []
  #busy: Promise<void> | undefined
  #dropped = 0
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(options: EventRecorderOptions) {
    this.#options = options
    this.#instance = (options.instance ?? hostname()).slice(0, 128)
  }

  /** Records what happened to an object. Returns at once. */
  record(regarding: Regarding, draft: EventDraft): void {
    if (this.#stop.signal.aborted) return
    const now = performance.now()
    const key = keyOf(regarding, draft)
    const known = this.#known.get(key)
    if (known !== undefined && now - known.lastAt < SERIES_MS) {
      known.count++
      known.lastAt = now
      if (known.name !== undefined) this.#waitToCount(known, now)
      return
    }
    if (!this.#allows(regarding.ref, now)) {
      this.#dropped++
      return
    }
    const series = { regarding, draft, name: undefined, count: 1, lastAt: now, writtenAt: now, waiting: false }
    this.#known.delete(key)
    this.#known.set(key, series)
    forgetOldest(this.#known, MAX_KNOWN)
    this.#enqueue(series)
  }

  /** Resolves once nothing waits to be written. */
  async flushed(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy
  }

  /** Stops; what waits is lost. */
  close(): void {
    this.#stop.abort()
    this.#queue = []
  }

  #allows({ kind, namespace, name }: ObjectRef, now: number): boolean {
    const key = `${kind}/${namespace}/${name}`
    const { left, at } = this.#allowances.get(key) ?? { left: OBJECT_BURST, at: now }
    const available = Math.min(OBJECT_BURST, left + (now - at) / OBJECT_REFILL_MS)
    this.#allowances.delete(key)
    this.#allowances.set(key, { left: available >= 1 ? available - 1 : available, at: now })
    forgetOldest(this.#allowances, MAX_KNOWN)
    return available >= 1
  }

  /** The first repetition is counted at once, later ones together. */
  #waitToCount(series: Series, now: number): void {
    if (series.waiting) return
    const restMs = series.count === 2 ? 0 : SERIES_REST_MS - (now - series.writtenAt)
    if (restMs <= 0) {
      this.#enqueue(series)
      return
    }
    series.waiting = true
    void pause(restMs, this.#stop.signal).then(() => {
      series.waiting = false
      if (!this.#stop.signal.aborted) this.#enqueue(series)
    })
  }

  #enqueue(series: Series): void {
    series.waiting = true
    this.#queue.push(series)
    if (this.#queue.length > MAX_WAITING) {
      const normal = this.#queue.findIndex(({ draft }) => draft.type === "Normal")
      const [lost] = this.#queue.splice(Math.max(0, normal), 1)
      if (lost !== undefined) lost.waiting = false
      this.#dropped++
    }
    this.#busy ??= this.#writeAll().finally(() => {
      this.#busy = undefined
    })
  }

  async #writeAll(): Promise<void> {
    const { signal } = this.#stop
    while (this.#queue.length > 0 && !signal.aborted) {
      await this.#rate.take(signal)
      const series = this.#queue.shift()
      if (series === undefined || signal.aborted) return
      series.waiting = false
      await this.#write(series, signal).catch((error: unknown) => {
        if (!signal.aborted) this.#failed(error)
      })
    }
  }

  #failed(error: unknown): void {
    this.#dropped++
    const now = performance.now()
    if (now - this.#toldAt < TELL_AGAIN_MS) return
    this.#toldAt = now
    this.#options.onFailed(error, this.#dropped)
    this.#dropped = 0
  }

  async #write(series: Series, signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#send(series, signal)
        return
      } catch (error) {
        if (tries >= TRIES || signal.aborted || !mayPass(error)) throw error
        await pause(RETRY_MS * tries, signal)
      }
    }
  }

  async #send(series: Series, signal: AbortSignal): Promise<void> {
    const { ref } = series.regarding
    const { count, name } = series
    series.writtenAt = performance.now()
    if (name !== undefined) {
      const path = resourcePath(API_VERSION, "events", { namespace: ref.namespace, name })
      const body = { series: { count, lastObservedTime: microTime() } }
      try {
        await this.#options.client.send({ method: "PATCH", path, body, signal })
        return
      } catch (error) {
        // The server has forgotten it: it is told anew.
        if (!isNotFound(error)) throw error
        series.name = undefined
      }
    }
    const event = this.#eventOf(series)
    const path = resourcePath(API_VERSION, "events", { namespace: ref.namespace })
    await this.#options.client.send({ method: "POST", path, body: event, signal })
    series.name = event.metadata.name
    // What came while it was on its way is counted now.
    if (series.count > count) this.#waitToCount(series, performance.now())
  }

  #eventOf({ regarding, draft, count }: Series) {
    const { ref, object } = regarding
    const { type, reason, action, note } = draft
    const now = microTime()
    return {
      apiVersion: API_VERSION,
      kind: "Event",
      metadata: {
        namespace: ref.namespace,
        name: `${ref.name.slice(0, MAX_NAME).replace(/[-.]+$/, "")}.${uniqueSuffix()}`,
      },
      eventTime: now,
      ...(count > 1 ? { series: { count, lastObservedTime: now } } : {}),
      reportingController: this.#options.controllerName,
      reportingInstance: this.#instance,
      type,
      reason: reason.slice(0, 128),
      action: action.slice(0, 128),
      note: note.length <= MAX_NOTE ? note : `${note.slice(0, MAX_NOTE - 1)}…`,
      regarding: {
        apiVersion: object.apiVersion ?? apiVersionOf(ref.group, "v1"),
        kind: ref.kind,
        namespace: ref.namespace,
        name: ref.name,
        uid: object.metadata.uid,
        resourceVersion: object.metadata.resourceVersion,
      },
    }
  }
}

const keyOf = ({ ref, object }: Regarding, { type, reason, note }: EventDraft): string =>
  [object.metadata.uid ?? `${ref.kind}/${ref.namespace}/${ref.name}`, type, reason, note].join("\n")

const uniqueSuffix = (): string =>
  Date.now().toString(16) +
  Math.floor(Math.random() * 2 ** 24)
    .toString(16)
    .padStart(6, "0")
