import { clusterBinaries } from "./build-apiserver.ts"
import { buildProgram } from "./program.ts"

/** Builds what the tests run once, before any test's time counts. */
export default async function setup(): Promise<void> {
  await clusterBinaries()
  await buildProgram()
}
