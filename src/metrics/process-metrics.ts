import { collectDefaultMetrics, type Registry } from "prom-client"

/** Adds what `prom-client` tells of the process: its CPU, memory, descriptors and start, and how late its event loop is. */
export function addProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register })
}
