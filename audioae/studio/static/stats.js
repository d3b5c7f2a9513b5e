// Binomial figures of listening tests, exact.

function logFactorial(n) {
  let sum = 0;
  for (let i = 2; i <= n; i += 1) sum += Math.log(i);
  return sum;
}

/** Probability of exactly k successes in n trials, each with probability p. */
export function binomial(k, n, p) {
  if (p <= 0) return k === 0 ? 1 : 0;
  if (p >= 1) return k === n ? 1 : 0;
  return Math.exp(logFactorial(n) - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log(1 - p));
}

/** Probability of k or more. */
export function atLeast(k, n, p = 0.5) {
  let sum = 0;
  for (let i = k; i <= n; i += 1) sum += binomial(i, n, p);
  return Math.min(1, sum);
}

/** Probability, by guessing, of what is at most as likely as k: the exact test with two sides. */
export function twoSided(k, n) {
  let sum = 0;
  const own = binomial(k, n, 0.5) * (1 + 1e-7);
  for (let i = 0; i <= n; i += 1) if (binomial(i, n, 0.5) <= own) sum += binomial(i, n, 0.5);
  return Math.min(1, sum);
}

function bisect(isBelow) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (isBelow(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The exact interval of 95 % for the share of successes (Clopper and Pearson, 1934). */
export function interval(k, n) {
  const low = k === 0 ? 0 : bisect((p) => atLeast(k, n, p) < 0.025);
  const high = k === n ? 1 : bisect((p) => 1 - atLeast(k + 1, n, p) > 0.025);
  return [low, high];
}
