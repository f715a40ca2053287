/** Milliseconds per tick: deadlines are late by up to this much, never early. */
const TICK = 100
/** Most milliseconds that a Node.js timer takes: its delay has 31 bits, and a longer one would be over at once. */
export const LONGEST_TIMER = 2_147_483_647
/** Most milliseconds that the clock of activity goes forward at once, and thus the most that it is behind. */
const LAG = 2 * TICK
/** Slots of the wheel. Entries further away than a turn stay in their slot and are passed over. */
const SLOTS = 512
/** Slot, besides those of the wheel, of entries that are due and wait for their call. */
const DUE = SLOTS

/** Something with at most one deadline at a time. The links live in the object itself, so that arming allocates nothing. */
export abstract class Timed {
  /** @internal */
  wheelNext: Timed | undefined
  /** @internal */
  wheelPrevious: Timed | undefined
  /** @internal Tick at which the deadline is due; -1 when none is armed. */
  wheelTick = -1
  /** @internal Slot that it is linked into, while a deadline is armed. */
  wheelSlot = 0

  /** Called once when the deadline passes; it is then no longer armed. */
  abstract deadlineReached(): void
}

/**
 * One coarse timer for any number of deadlines: arming, moving and disarming take constant time and no
 * allocation. It runs only while something is armed and never keeps the process alive by itself.
 */
export class TimerWheel {
  readonly #slots: (Timed | undefined)[] = new Array(SLOTS + 1).fill(undefined)
  #timer: NodeJS.Timeout | undefined
  #tick = 0
  #armed = 0
  #now = 0
  #tickedAt = 0

  /**
   * A clock to note activity by, in milliseconds; cheaper than the system's, and behind by less than {@link LAG}. It
   * goes forward by so much at most at a time: while the event loop is blocked nothing is read, and what lies unread is
   * no silence. While nothing is armed it stands still. {@link left} reads it.
   */
  get now(): number {
    return this.#now
  }

  /**
   * Milliseconds until a time has gone by since a moment, in which the event loop was free to see what happened. 0 or
   * less when it surely has.
   *
   * @param since - the moment, as {@link now} told it
   * @param time - milliseconds; `Infinity` never goes by
   */
  left(since: number, time: number): number {
    return since + LAG + time - this.#now
  }

  /** Deadlines armed. */
  get size(): number {
    return this.#armed
  }

  /**
   * Sets an entry's deadline, in place of the one it had.
   *
   * @param entry - what to call
   * @param delay - milliseconds from now; `Infinity` only disarms
   */
  arm(entry: Timed, delay: number): void {
    this.disarm(entry)
    if (delay === Number.POSITIVE_INFINITY) return
    if (this.#timer === undefined) this.#start()
    // Not a number, which only a policy of others' making can bring about, is no reason to wait for ever.
    entry.wheelTick = Math.max(this.#tick + 1, Math.ceil((performance.now() + delay) / TICK)) || this.#tick + 1
    this.#armed++
    this.#link(entry, entry.wheelTick % SLOTS)
  }

  /** Takes an entry's deadline away. Does nothing when it has none. */
  disarm(entry: Timed): void {
    if (entry.wheelTick === -1) return
    this.#unlink(entry)
    entry.wheelTick = -1
    this.#armed--
  }

  #link(entry: Timed, slot: number): void {
    const head = this.#slots[slot]
    entry.wheelSlot = slot
    entry.wheelNext = head
    if (head !== undefined) head.wheelPrevious = entry
    this.#slots[slot] = entry
  }

  #unlink(entry: Timed): void {
    const { wheelNext: next, wheelPrevious: previous } = entry
    if (previous === undefined) this.#slots[entry.wheelSlot] = next
    else previous.wheelNext = next
    if (next !== undefined) next.wheelPrevious = previous
    entry.wheelNext = undefined
    entry.wheelPrevious = undefined
  }

  #start(): void {
    this.#tickedAt = performance.now()
    this.#tick = Math.floor(this.#tickedAt / TICK)
    this.#timer = setInterval(() => this.#advance(), TICK)
    this.#timer.unref()
  }

  #advance(): void {
    const now = performance.now()
    const tick = Math.floor(now / TICK)
    this.#now += Math.min(now - this.#tickedAt, LAG)
    this.#tickedAt = now
    // After a long block of the event loop one whole turn visits every slot there is.
    const first = Math.max(this.#tick + 1, tick - SLOTS + 1)
    this.#tick = tick
    for (let visited = first; visited <= tick; visited++) this.#expire(visited % SLOTS, tick)
    if (this.#armed > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /**
   * What is called may arm or disarm any neighbour, so entries that are due are set apart before the first call.
   * Walking the slot anew after each call would pass over its far deadlines as often as it has due ones.
   */
  #expire(slot: number, tick: number): void {
    for (let entry = this.#slots[slot]; entry !== undefined; ) {
      const next = entry.wheelNext
      if (entry.wheelTick <= tick) {
        this.#unlink(entry)
        this.#link(entry, DUE)
      }
      entry = next
    }
    for (let entry = this.#slots[DUE]; entry !== undefined; entry = this.#slots[DUE]) {
      this.disarm(entry)
      entry.deadlineReached()
    }
  }
}
