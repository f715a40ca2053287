import { clusterBinaries } from "./build-apiserver.ts"

/** Builds the binaries once, before any test's time counts. */
export default async function setup(): Promise<void> {
  await clusterBinaries()
}
