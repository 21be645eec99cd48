/** What is said of a judge wherever that is found out; what only a probe finds is worded there. */

/** Of a judge whose provider tells no probabilities. */
export const NO_SHADES =
  'Its provider gives no real probabilities, only 0 for the likeliest token and nothing for all others: P(Yes) is 0 or 1 ' +
  'however sure the model is. Take another model or provider, or expect rewards without shades.'

/** Of a judge whose provider's counts of tokens are none. */
export const NO_COUNTS =
  'Its provider gave counts of tokens that are none (below 0, no whole numbers, or more than a call can have). Such calls count as ' +
  'unknown (`uncounted` in the usage), so budgets of tokens or cost do not notice them: cap its keys by items, or take another provider.'

/** Of a judge that its calibration found to be no better than a coin. */
export const NOT_INFORMATIVE =
  'Its calibration found that it does not surely tell right answers from wrong ones: there was nothing to calibrate. ' +
  'Calibrate on more graded answers, or take a better judge.'
