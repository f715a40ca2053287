import type { Socket } from "node:net"

/**
 * Bytes that one flow may move before the others have their turn. The event loop reads a socket up to 32
 * times in a row while every read comes back full; with reads of 64 KiB, as Node.js makes them by itself, that
 * is as much. Larger reads must stop by themselves, or one fast flow holds up all others for longer.
 */
export const TURN_BYTES = 2_097_152

let waiting: Socket[] = []

/** Resumes a socket that gave up its turn, once every other socket that is ready has had one. */
export function resumeNextTurn(socket: Socket): void {
  if (waiting.push(socket) === 1) setImmediate(resumeAll)
}

function resumeAll(): void {
  const sockets = waiting
  waiting = []
  for (const socket of sockets) socket.resume()
}
