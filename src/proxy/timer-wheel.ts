/** Milliseconds per tick: deadlines are late by up to this much, never early. */
const TICK = 100
/** Most milliseconds that a Node.js timer takes: its delay has 31 bits, and a longer one would be over at once. */
export const LONGEST_TIMER = 2_147_483_647
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
  #now = performance.now()

  /** Time of the last tick, in milliseconds: good enough to note activity by, and cheaper than a clock. */
  get now(): number {
    return this.#now
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
    entry.wheelTick = Math.max(this.#tick + 1, Math.ceil((performance.now() + delay) / TICK))
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
    this.#now = performance.now()
    this.#tick = Math.floor(this.#now / TICK)
    this.#timer = setInterval(() => this.#advance(), TICK)
    this.#timer.unref()
  }

  #advance(): void {
    this.#now = performance.now()
    const tick = Math.floor(this.#now / TICK)
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
