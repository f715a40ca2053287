import type { Socket } from "node:net"
import { freeReads } from "./freeing.ts"

/** What Node.js reads at once, by itself: where a read is as long, there was more to read. */
const FULL = 65_536
/** Reads that are written together: as many bytes as a slab has, which is what flows the other way at once. */
const MOST = 8
/** Bytes that all flows of a thread may hold before they are written one read at a time. */
const MOST_HELD = 33_554_432

/** Bytes held by all flows of this thread. */
let held = 0

/**
 * Writes what one accepted socket reads to another, many reads at once while they come back full. Node.js reads an
 * accepted socket 64 KiB at a time, and what each write costs beside its bytes, to wake who reads them above all, is
 * as much as the bytes cost. A read waits for others until the next turn of the event loop at most, and only where the
 * one before it went to the kernel at once.
 */
export class Gathering {
  readonly #source: Socket
  readonly #destination: Socket
  #reads: Buffer[] = []
  /** Of what the destination had not taken when it was last written to. */
  #waiting = 0
  #isFast = false
  #isStopped = false

  /**
   * @param source - whose reads are given to {@link write}; nobody else has their memory
   * @param destination - what they are written to
   */
  constructor(source: Socket, destination: Socket) {
    this.#source = source
    this.#destination = destination
  }

  /** Whether something was read that the destination was not given yet, or so much that reading has stopped for it. */
  get isBehind(): boolean {
    return this.#isStopped || this.#reads.length > 0
  }

  /** Takes a read. */
  write(read: Buffer): void {
    const isFull = read.length === FULL
    this.#reads.push(read)
    if (isFull && this.#isFast && this.#reads.length < MOST && held < MOST_HELD) {
      held += FULL
      if (this.#reads.length === 1) flushNextTurn(this)
      return
    }
    held += read.length
    this.flush()
    if (!isFull) this.#isFast = false
  }

  /** Writes all that is held. */
  flush(): void {
    const reads = this.#reads
    if (reads.length === 0) return
    const destination = this.#destination
    if (reads.length > 1) destination.cork()
    let isMoreWelcome = true
    for (const read of reads) {
      held -= read.length
      isMoreWelcome = destination.write(read)
    }
    destination.uncork()
    this.#isFast = destination.writableLength === 0
    if (this.#isFast) {
      freeReads(reads)
      reads.length = 0
      return
    }
    this.#reads = []
    // Only what is stopped for is told when it was taken.
    if (isMoreWelcome) return
    this.#hold(destination.writableLength)
    this.#isStopped = true
    this.#source.pause()
  }

  /** The destination has taken everything written to it. Returns whether reading had stopped for that, and is to be resumed. */
  drained(): boolean {
    const resume = this.#isStopped
    this.#isStopped = false
    this.#hold(0)
    return resume
  }

  /** Both sockets are closed. */
  release(): void {
    for (const { length } of this.#reads) held -= length
    this.#reads = []
    this.#hold(0)
  }

  #hold(waiting: number): void {
    held += waiting - this.#waiting
    this.#waiting = waiting
  }
}

let due: Gathering[] = []

/** Writes what a flow holds once every other socket that is ready has had its turn. */
function flushNextTurn(gathering: Gathering): void {
  if (due.push(gathering) === 1) setImmediate(flushAll)
}

function flushAll(): void {
  const gatherings = due
  due = []
  for (const gathering of gatherings) gathering.flush()
}
