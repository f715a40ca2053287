import type { OnReadOpts, Socket } from "node:net"

/** Bytes that any socket reads at once until it proves busy. */
const SHARED_SIZE = 65_536

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
 * is replaced. A socket that fills the shared slab in one read is busy enough for a slab of its own, from
 * which it writes without a copy; it gives the slab back as soon as a read comes back small. An idle
 * connection thus holds no buffer, and all slabs together stay below a bound.
 */
export class SlabPool {
  /** Bytes per own slab. */
  readonly slabSize: number
  /** Most own slabs at a time; sockets beyond go on with the shared one. */
  readonly limit: number
  /** Read into by every socket without an own slab. */
  readonly shared: Buffer = Buffer.allocUnsafeSlow(SHARED_SIZE)
  #scratch: Buffer = Buffer.allocUnsafeSlow(SHARED_SIZE)
  readonly #free: Buffer[] = []
  #taken = 0

  /**
   * @param slabSize - bytes per own slab
   * @param limit - most own slabs at a time
   */
  constructor(slabSize = 262_144, limit = 64) {
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
  writeCopy(socket: Socket, bytes: Uint8Array, length: number): boolean {
    const scratch = this.#scratch
    // A socket that waits already would keep the whole scratch buffer for these few bytes.
    if (socket.writableLength > 0 || length > scratch.length)
      return socket.write(Buffer.from(bytes.subarray(0, length)))
    scratch.set(bytes.length === length ? bytes : bytes.subarray(0, length))
    const more = socket.write(scratch.subarray(0, length))
    if (socket.writableLength > 0) this.#scratch = Buffer.allocUnsafeSlow(SHARED_SIZE)
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
  #destination: Socket | undefined
  #sink: SlabSink | undefined
  #slab: Buffer | undefined
  #lastRead = 0
  #writing = false
  #stopped = false

  /** @param pool - where slabs come from */
  constructor(pool: SlabPool) {
    this.#pool = pool
    this.onread = { buffer: () => this.#nextBuffer(), callback: (length, bytes) => this.#read(length, bytes) }
  }

  /** Tells where bytes go. Until then they would be lost, so this is called before the socket first reads. */
  start(destination: Socket, sink: SlabSink): void {
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
    this.#destination = undefined
    this.#sink = undefined
  }

  #nextBuffer(): Uint8Array {
    if (this.#slab === undefined) {
      if (this.#lastRead === SHARED_SIZE) this.#slab = this.#pool.take()
    } else if (!this.#writing && this.#lastRead < SHARED_SIZE / 2) {
      this.#pool.release(this.#slab)
      this.#slab = undefined
    }
    return this.#slab ?? this.#pool.shared
  }

  /** Returns false to stop reading until the destination has drained. */
  #read(length: number, bytes: Uint8Array): boolean {
    const destination = this.#destination
    if (destination === undefined) return false
    this.#lastRead = length
    this.#sink?.slabRead(length)
    const slab = this.#slab
    // Below its high-water mark a write that waits makes no `drain` event, so the end of its use of the slab would go unseen.
    const own = slab !== undefined && length >= destination.writableHighWaterMark
    const more = own ? destination.write(slab.subarray(0, length)) : this.#pool.writeCopy(destination, bytes, length)
    if (more || destination.writableLength === 0) return true
    this.#writing = own
    this.#stopped = true
    return false
  }
}
