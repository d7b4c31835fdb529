/**
 * The first index in [0, length) for which `test` holds, which holds for all that follow; `length` if there is none.
 * @param {number} length
 * @param {(i: number) => boolean} test
 */
export function search(length, test) {
  let from = 0;
  let to = length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (test(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}
