import { playTable } from "../proxy/quic/table-reference.ts"

/** Takes the bytes as what becomes of flows, addresses and ids: the table answers as a plain list of them does. */
export function fuzz(data: Buffer): void {
  playTable(data)
}
