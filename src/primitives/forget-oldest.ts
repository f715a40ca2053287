/**
 * Keeps a map within a bound. Maps keep the order of insertion: where what is touched is put in anew, the first entry is
 * the one that was not touched for longest.
 *
 * @param map - to which one entry may have been added
 * @param most - entries that it may have
 */
export function forgetOldest(map: Map<unknown, unknown>, most: number): void {
  if (map.size <= most) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
