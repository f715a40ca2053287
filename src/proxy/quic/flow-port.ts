import type { LongPacket } from "../../quic/packet.ts"
import type { FlowTable } from "./flow-table.ts"

/** The port that a flow's client sends to. */
export interface FlowPort<Flow> {
  /** Key of the listener. */
  readonly listener: string
  /** Address that it is bound to, where that is one. */
  readonly localAddress: string | undefined
  /** Its flows. */
  readonly table: FlowTable<Flow>
  /** Sends to a client; false when the kernel takes no more. */
  send(datagram: Uint8Array, port: number, address: string): boolean
  /** A flow is not in the table any more. */
  flowRemoved(): void
}

/** A datagram of a client, as a port has read it. */
export interface ClientDatagram {
  /** The bytes, which are the flow's from here on. */
  readonly bytes: Buffer
  /** Its packets with long headers; `undefined` when it begins with a short one. */
  readonly packets: readonly LongPacket[] | undefined
  /** Address and port that it came from, as one key. */
  readonly client: string
  /** Address that it came from. */
  readonly address: string
  /** Port that it came from. */
  readonly port: number
}
