/** Smaller reads are left to the garbage collector, which takes them sooner than it takes to free them. */
const WORTH_FREEING = 32_768

/**
 * What was given last. It is freed with those that come next: what is free at the end of the heap goes back to the system
 * (mallopt(3), M_TRIM_THRESHOLD), to be fetched again page by page, and the read made last is the one that lies there.
 */
let kept: ArrayBuffer | undefined

/**
 * Gives the memory of reads back to the allocator, of those that have theirs to themselves: all at once but the last. The
 * next reads then get the same memory, still in the processor's caches; left to the garbage collector, a fast flow would
 * walk through megabytes of cold memory instead. Only for reads that nobody else can have: they are empty afterwards.
 */
export function freeReads(reads: readonly Buffer[]): void {
  const buffers = kept === undefined ? [] : [kept]
  for (const read of reads) if (isWorthFreeing(read)) buffers.push(read.buffer as ArrayBuffer)
  kept = buffers.pop()
  if (buffers.length > 0) detach(buffers)
}

function isWorthFreeing({ buffer, length }: Buffer): boolean {
  return length >= WORTH_FREEING && buffer.byteLength === length && buffer instanceof ArrayBuffer
}

interface TransferableBuffer {
  transfer?(length: number): ArrayBuffer
}

const detach = detacher()

function detacher(): (buffers: ArrayBuffer[]) => void {
  if ("transfer" in ArrayBuffer.prototype) {
    return (buffers) => {
      for (const buffer of buffers) (buffer as TransferableBuffer).transfer?.(0)
    }
  }
  // Before Node.js 22: what is transferred to a port that nobody listens to goes at once.
  const { port1, port2 } = new MessageChannel()
  port2.close()
  return (buffers) => port1.postMessage(undefined, buffers)
}
