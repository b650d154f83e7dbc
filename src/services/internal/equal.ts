/** Compares secrets. Time depends on the length of `b` only, never on where the two differ. */
export const equal = (a: string, b: string): boolean => {
  let difference = a.length ^ b.length
  for (let i = 0; i < b.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
