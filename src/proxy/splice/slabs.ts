import type { OnReadOpts, Socket } from "node:net"
import { resumeNextTurn, TURN_BYTES } from "./turns.ts"

/** Bytes that a socket reads at once until it proves fast. */
const SMALL = 65_536
/** Bytes of the shared slab: what a fast socket reads at once when no slab of its own is left. */
const SHARED = 262_144

/** Receives what a {@link SlabReader} reads. */
export interface SlabSink {
  /** Notes a read, before it is passed on. */
  slabRead(bytes: number): void
}

/**
 * Read memory for all sockets of a thread.
 *
 * Node.js tells a socket's `onread` buffer to the kernel before there is anything to read, and a write may
 * keep its memory until the peer takes it. So memory that many sockets read into can never be written from:
 * what lands in the shared slab is copied to a scratch buffer first, and a scratch buffer that a write keeps
 * is replaced. A socket that fills its buffer is fast enough for a slab of its own, from which it writes
 * without a copy; it gives the slab back as soon as a read comes back small. An idle connection thus holds
 * no buffer, and all slabs together stay below a bound.
 */
export class SlabPool {
  /** Bytes per own slab. */
  readonly slabSize: number
  /** Most own slabs at a time; sockets beyond go on with the shared one. */
  readonly limit: number
  /** Read into by fast sockets without an own slab. */
  readonly shared: Buffer = Buffer.allocUnsafeSlow(SHARED)
  /** Read into by all others. */
  readonly small: Buffer = this.shared.subarray(0, SMALL)
  #smallScratch: Buffer = Buffer.allocUnsafeSlow(SMALL)
  #scratch: Buffer | undefined
  readonly #free: Buffer[] = []
  #taken = 0

  /**
   * @param slabSize - bytes per own slab
   * @param limit - most own slabs at a time
   */
  constructor(slabSize = 524_288, limit = 64) {
    this.slabSize = slabSize
    this.limit = limit
  }

  /** Own slabs in use. */
  get taken(): number {
    return this.#taken
  }

  /** Takes an own slab, if one is left. */
  take(): Buffer | undefined {
    if (this.#taken === this.limit) return undefined
    this.#taken++
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.slabSize)
  }

  /** Gives an own slab back. No socket may read into it or write from it any more. */
  release(slab: Buffer): void {
    this.#taken--
    this.#free.push(slab)
  }

  /** Writes bytes that lie in memory which will be read into again. */
  writeCopy(socket: Socket, bytes: Buffer, length: number): boolean {
    // A socket that waits already would keep a whole scratch buffer for these few bytes.
    if (socket.writableLength > 0) return socket.write(Buffer.from(bytes.subarray(0, length)))
    const scratch = length > SMALL ? (this.#scratch ?? Buffer.allocUnsafeSlow(SHARED)) : this.#smallScratch
    bytes.copy(scratch, 0, 0, length)
    const more = socket.write(scratch.subarray(0, length))
    const kept = socket.writableLength > 0
    if (length > SMALL) this.#scratch = kept ? undefined : scratch
    else if (kept) this.#smallScratch = Buffer.allocUnsafeSlow(SMALL)
    return more
  }
}

/** Memory shared by every proxy of this thread. */
export const defaultSlabs: SlabPool = new SlabPool()

/** Reads one dialled socket into slabs and writes what it reads to another socket. */
export class SlabReader {
  /** To be given to the socket's constructor. Node.js calls both without a receiver, hence the closures. */
  readonly onread: OnReadOpts & { readonly buffer: () => Uint8Array }
  readonly #pool: SlabPool
  #source: Socket | undefined
  #destination: Socket | undefined
  #sink: SlabSink | undefined
  #listener: ((bytes: Uint8Array) => void) | undefined
  #slab: Buffer | undefined
  #lastRead = 0
  #filled = false
  /** Bytes read in reads that each filled the buffer, one after the other. */
  #run = 0
  #writing = false
  #stopped = false

  /** @param pool - where slabs come from */
  constructor(pool: SlabPool) {
    this.#pool = pool
    this.onread = { buffer: () => this.#nextBuffer(), callback: (length, bytes) => this.#read(length, bytes as Buffer) }
  }

  /** Whether reading has stopped until the destination has taken what was read. */
  get isStopped(): boolean {
    return this.#stopped
  }

  /** Tells who takes the bytes until it is started, each time in memory that is read into again. */
  listen(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener
  }

  /**
   * Tells where bytes go. Until then they are lost, unless somebody listens, so this is called before the socket
   * first reads, or while it does.
   */
  start(source: Socket, destination: Socket, sink: SlabSink): void {
    this.#listener = undefined
    this.#source = source
    this.#destination = destination
    this.#sink = sink
  }

  /** The destination has taken everything written to it. Returns whether reading had stopped for that, and is to be resumed. */
  drained(): boolean {
    const resume = this.#stopped
    this.#stopped = false
    this.#writing = false
    return resume
  }

  /** Both sockets are closed: nothing reads into the slab or is written from it any more. */
  release(): void {
    if (this.#slab !== undefined) this.#pool.release(this.#slab)
    this.#slab = undefined
    this.#source = undefined
    this.#destination = undefined
    this.#sink = undefined
  }

  #nextBuffer(): Buffer {
    if (this.#slab === undefined) {
      if (this.#filled) this.#slab = this.#pool.take()
    } else if (!this.#writing && this.#lastRead < SMALL) {
      this.#pool.release(this.#slab)
      this.#slab = undefined
    }
    if (this.#slab !== undefined) return this.#slab
    // A peer that makes writes wait gets small reads: what waits is all that the connection holds.
    return this.#filled && !this.#stopped ? this.#pool.shared : this.#pool.small
  }

  /** Returns false to stop reading until the destination has drained. */
  #read(length: number, bytes: Buffer): boolean {
    const source = this.#source
    const destination = this.#destination
    if (source === undefined || destination === undefined) {
      this.#listener?.(bytes.subarray(0, length))
      return this.#listener !== undefined || this.#source !== undefined
    }
    this.#lastRead = length
    this.#filled = length === bytes.length
    this.#sink?.slabRead(length)
    const slab = this.#slab
    // Below its high-water mark a write that waits makes no `drain` event, so the end of its use of the slab would go unseen.
    const own = slab !== undefined && length >= destination.writableHighWaterMark
    const more = own ? destination.write(slab.subarray(0, length)) : this.#pool.writeCopy(destination, bytes, length)
    if (!more && destination.writableLength > 0) {
      this.#writing = own
      this.#stopped = true
      return false
    }
    this.#run = this.#filled ? this.#run + length : 0
    if (this.#run < TURN_BYTES) return true
    this.#run = 0
    resumeNextTurn(source)
    return false
  }
}
