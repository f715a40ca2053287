import { type Probe, type ProbeResult, runProbe } from "./probe.ts"

/** One endpoint to check, over and over. */
export interface ActiveCheck extends Probe {
  /** Unique; a check that keeps its key keeps what it has come to. */
  readonly key: string
  /** Milliseconds from the start of one probe to the next, give or take a tenth. */
  readonly interval: number
  /** Failed probes in a row that make a healthy endpoint unhealthy. */
  readonly fall: number
  /** Good probes in a row that make an unhealthy endpoint healthy. */
  readonly rise: number
}

/** Options of {@link ActiveChecks}. */
export interface ActiveChecksOptions<Check extends ActiveCheck = ActiveCheck> {
  /**
   * Told whenever an endpoint changes between healthy and unhealthy; `reason` says why it is unhealthy. One that
   * is checked no longer counts as healthy.
   */
  readonly onChange: (check: Check, isHealthy: boolean, reason: string | undefined) => void
  /** Probes that may run at once. @defaultValue 64 */
  readonly concurrency?: number
  /** Tries an endpoint. @defaultValue {@link runProbe} */
  readonly probe?: (probe: Probe) => Promise<ProbeResult>
  /** Monotonic clock in milliseconds. @defaultValue `performance.now` */
  readonly now?: () => number
  /** 0 to 1, as `Math.random`. */
  readonly random?: () => number
}

interface CheckState<Check> {
  check: Check
  dueAt: number
  /** Whether it waits for its turn, or its probe runs. */
  isUnderWay: boolean
  isHealthy: boolean
  /** Results in a row that speak against the present verdict. */
  contrary: number
}

const TICK = 100

/**
 * Probes endpoints on their intervals, with one timer for all. Endpoints count as healthy until probes have
 * failed; the first probes are spread over one interval, so that a thousand endpoints are not dialled in one go.
 */
export class ActiveChecks<Check extends ActiveCheck = ActiveCheck> {
  readonly #options: ActiveChecksOptions<Check>
  readonly #probe: (probe: Probe) => Promise<ProbeResult>
  readonly #now: () => number
  readonly #random: () => number
  readonly #states = new Map<string, CheckState<Check>>()
  /** What is due and waits for its turn, first come, first served, from {@link #next} on. */
  #line: CheckState<Check>[] = []
  #next = 0
  #running = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: ActiveChecksOptions<Check>) {
    this.#options = options
    this.#probe = options.probe ?? runProbe
    this.#now = options.now ?? (() => performance.now())
    this.#random = options.random ?? Math.random
  }

  /** Endpoints being checked. */
  get size(): number {
    return this.#states.size
  }

  /** Replaces what is checked. The timer runs while there is something to check, and keeps no process alive. */
  update(checks: readonly Check[]): void {
    const wanted = new Map(checks.map((check) => [check.key, check]))
    for (const [key, { check, isHealthy }] of this.#states) {
      if (wanted.has(key)) continue
      this.#states.delete(key)
      if (!isHealthy) this.#options.onChange(check, true, undefined)
    }
    for (const check of wanted.values()) {
      const state = this.#states.get(check.key)
      if (state === undefined) this.#states.set(check.key, this.#fresh(check))
      else state.check = check
    }
    if (this.#states.size === 0) this.stop()
    else this.#timer ??= setInterval(() => this.tick(), TICK).unref()
  }

  /** Starts the probes that are due. The timer calls it; a test may. */
  tick(): void {
    const now = this.#now()
    for (const state of this.#states.values()) {
      if (state.isUnderWay || state.dueAt > now) continue
      state.isUnderWay = true
      this.#line.push(state)
    }
    this.#start()
  }

  /** Starts as many of those in line as may run. Ends do it too: endpoints that answer at once need not wait for a tick. */
  #start(): void {
    const limit = this.#options.concurrency ?? 64
    while (this.#running < limit) {
      const state = this.#line[this.#next]
      if (state === undefined) {
        this.#line = []
        this.#next = 0
        return
      }
      this.#next++
      if (this.#states.get(state.check.key) !== state) continue
      state.dueAt = this.#now() + state.check.interval * (0.9 + 0.2 * this.#random())
      this.#running++
      void this.#probe(state.check).then((result) => this.#settle(state, result))
    }
  }

  /** Forgets everything. Probes that run are left to end; nothing is reported of them. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#states.clear()
    this.#line = []
    this.#next = 0
  }

  #fresh(check: Check): CheckState<Check> {
    const dueAt = this.#now() + this.#random() * check.interval
    return { check, dueAt, isUnderWay: false, isHealthy: true, contrary: 0 }
  }

  #settle(state: CheckState<Check>, result: ProbeResult): void {
    this.#running--
    state.isUnderWay = false
    this.#start()
    if (this.#states.get(state.check.key) !== state) return
    if (result.healthy === state.isHealthy) {
      state.contrary = 0
      return
    }
    if (++state.contrary < (state.isHealthy ? state.check.fall : state.check.rise)) return
    state.contrary = 0
    state.isHealthy = result.healthy
    this.#options.onChange(state.check, result.healthy, result.healthy ? undefined : result.reason)
  }
}
