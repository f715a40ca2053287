/** Smaller reads are left to the garbage collector, which takes them sooner than it takes to free them. */
const WORTH_FREEING = 32_768

/**
 * Gives the memory of a read back to the allocator at once, if the read has it to itself. The next read then gets the
 * same memory, still in the processor's caches; left to the garbage collector, a fast flow would walk through
 * megabytes of cold memory instead. The chunk is empty afterwards: only for one that nobody else can have.
 */
export function freeRead(chunk: Buffer): void {
  const { buffer, length } = chunk
  if (length >= WORTH_FREEING && buffer.byteLength === length && buffer instanceof ArrayBuffer) detach(buffer)
}

interface TransferableBuffer {
  transfer?(length: number): ArrayBuffer
}

const detach = detacher()

function detacher(): (buffer: ArrayBuffer) => void {
  if ("transfer" in ArrayBuffer.prototype) return (buffer) => void (buffer as TransferableBuffer).transfer?.(0)
  // Before Node.js 22: what is transferred to a port that nobody listens to goes at once.
  const { port1, port2 } = new MessageChannel()
  port2.close()
  return (buffer) => port1.postMessage(undefined, [buffer])
}
