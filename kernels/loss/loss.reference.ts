/** Plain f64 references of the loss kernels: values, and the gradients of their (weighted) sums. */

const LOWEST = Math.fround(1e-6);
const HIGHEST = Math.fround(1 - 1e-6);
const clampScore = (p: number): number => Math.min(Math.max(p, LOWEST), HIGHEST);
const passes = (p: number): number => (p >= LOWEST && p <= HIGHEST ? 1 : 0);

/** Binary cross entropy of a clamped probability, and its derivative by the unclamped one. */
function crossEntropy(p: number, positive: boolean): { value: number; slope: number } {
  const likelihood = positive ? clampScore(p) : 1 - clampScore(p);
  return { value: -Math.log(likelihood), slope: (passes(p) * (positive ? -1 : 1)) / likelihood };
}

/** Scores [N, C+1]; labels [C]; ties are those of f32 scores. */
export function lossWeightBagLoss(
  scores: ArrayLike<number>,
  pseudoLabels: ArrayLike<number>,
  lossWeights: ArrayLike<number>,
  labels: ArrayLike<number>,
  lambda: number,
): { loss: number; dscores: Float64Array } {
  const columns = labels.length + 1;
  const dscores = new Float64Array(scores.length);
  let loss = 0;
  for (let column = 0; column < columns; column++) {
    const positive = column === 0 || labels[column - 1] === 1;
    let best = -1;
    let bestRow = 0;
    for (let row = 0; row < pseudoLabels.length; row++) {
      const score = positive && pseudoLabels[row] !== column ? 0 : scores[row * columns + column];
      if (Math.fround(score) > Math.fround(best)) [best, bestRow] = [score, row];
    }
    const { value, slope } = crossEntropy(best, positive);
    const weight = (positive ? lambda * lossWeights[bestRow] : 1) / columns;
    loss += weight * value;
    dscores[bestRow * columns + column] = weight * slope;
  }
  return { loss, dscores };
}

/** What a refinement branch predicts, and what was mined for it. */
export interface ClsIouInputs {
  /** [N, C+1] */
  cls: ArrayLike<number>;
  /** [N, C+1] or [N, 1] */
  iou: ArrayLike<number>;
  /** Of shape [N]: −1 ignored, 0 background, else class + 1 */
  pseudoLabels: ArrayLike<number>;
  /** [N], 0 or 1. */
  pseudoIou: ArrayLike<number>;
  /** [N], without λ. */
  lossWeights: ArrayLike<number>;
  /** 0 where nothing was mined. */
  count: number;
  /** [C] */
  labels: ArrayLike<number>;
}

/** The three losses, and the gradients of their sum weighted by `weights`, shaped like cls and iou. */
export function clsIouLoss(
  { cls, iou, pseudoLabels, pseudoIou, lossWeights, count, labels }: ClsIouInputs,
  lambda: number,
  weights: { cls: number; iou: number; bag: number },
  useIou: boolean,
): { losses: [cls: number, iou: number, bag: number]; dcls: Float64Array; diou: Float64Array } {
  const n = pseudoLabels.length;
  const columns = labels.length + 1;
  const agnostic = iou.length === n;
  const dcls = new Float64Array(cls.length);
  const diou = new Float64Array(iou.length);
  const losses: [number, number, number] = [0, 0, 0];
  if (count === 0) return { losses, dcls, diou };
  const rows = Array.from({ length: n }, (_, row) => row);
  const iouIndex = (row: number, column: number) => (agnostic ? row : row * columns + column);

  const labelled = rows.filter((row) => pseudoLabels[row] >= 0);
  for (const row of labelled) {
    const i = row * columns + pseudoLabels[row];
    const weight = (lambda * lossWeights[row]) / labelled.length;
    losses[0] -= weight * Math.log(clampScore(cls[i]));
    dcls[i] -= (weights.cls * weight * passes(cls[i])) / clampScore(cls[i]);
  }
  const foreground = rows.filter((row) => pseudoLabels[row] > 0);
  for (const row of foreground) {
    const i = iouIndex(row, pseudoLabels[row]);
    const weight = (lambda * lossWeights[row]) / foreground.length;
    const error = clampScore(iou[i]) - pseudoIou[row];
    losses[1] += weight * 0.5 * error ** 2;
    diou[i] += weights.iou * weight * error * passes(iou[i]);
  }
  const usesIou = (column: number) => useIou && !(agnostic && column === 0);
  const scores = Float64Array.from(cls, (p, i) => {
    const column = i % columns;
    const q = usesIou(column) ? clampScore(iou[iouIndex((i - column) / columns, column)]) : 1;
    return clampScore(p) * q;
  });
  const bag = lossWeightBagLoss(scores, pseudoLabels, lossWeights, labels, lambda);
  losses[2] = bag.loss;
  bag.dscores.forEach((slope, i) => {
    if (slope === 0) return;
    const column = i % columns;
    const j = iouIndex((i - column) / columns, column);
    const toScore = weights.bag * slope;
    dcls[i] += toScore * passes(cls[i]) * (usesIou(column) ? clampScore(iou[j]) : 1);
    if (usesIou(column)) diou[j] += toScore * passes(iou[j]) * clampScore(cls[i]);
  });
  return { losses, dcls, diou };
}

/** Loss of cls and det [N, columns] against the image's labels [C], and the gradients to both. */
export function milBagLoss(
  cls: ArrayLike<number>,
  det: ArrayLike<number>,
  labels: ArrayLike<number>,
  columns: number,
): { loss: number; dcls: Float64Array; ddet: Float64Array } {
  const n = cls.length / columns;
  const background = columns - labels.length;
  const dcls = new Float64Array(cls.length);
  const ddet = new Float64Array(cls.length);
  let loss = 0;
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    for (let row = 0; row < n; row++) sum += cls[row * columns + column] * det[row * columns + column];
    const { value, slope } = crossEntropy(sum, column < background || labels[column - background] === 1);
    loss += value / columns;
    for (let i = column; i < cls.length; i += columns) {
      dcls[i] = (slope / columns) * det[i];
      ddet[i] = (slope / columns) * cls[i];
    }
  }
  return { loss, dcls, ddet };
}

/** Loss of cls [N, columns] given clusters [N, columns], and its gradient. */
export function pclLoss(
  cls: ArrayLike<number>,
  clusters: ArrayLike<number>,
  columns: number,
): { loss: number; dcls: Float64Array } {
  const n = cls.length / columns;
  const dcls = new Float64Array(cls.length);
  const members = new Map<string, { column: number; rows: number[] }>();
  let assigned = 0;
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < columns; column++) {
      const number = clusters[row * columns + column];
      if (number === 0) continue;
      assigned++;
      const key = column === 0 ? `background row ${row}` : `cluster ${number}`;
      if (!members.has(key)) members.set(key, { column, rows: [] });
      members.get(key)!.rows.push(row);
    }
  }
  const scale = 12 / (assigned + 1e-6);
  let loss = 0;
  for (const { column: label, rows } of members.values()) {
    for (let column = 0; column < columns; column++) {
      const mean = rows.reduce((sum, row) => sum + cls[row * columns + column], 0) / rows.length;
      const { value, slope } = crossEntropy(mean, column === label);
      loss += (scale * rows.length * value) / columns;
      for (const row of rows) dcls[row * columns + column] = (scale * slope) / columns;
    }
  }
  return { loss, dcls };
}

/** OICR, or PCL when `pooled`: cls [N, columns], clusters number the foreground rows. */
export function proposalClusterLoss(
  cls: ArrayLike<number>,
  {
    pseudoLabels,
    clusters,
    lossWeights,
  }: { pseudoLabels: ArrayLike<number>; clusters: ArrayLike<number>; lossWeights: ArrayLike<number> },
  lambda: number,
  pooled: boolean,
): { loss: number; dcls: Float64Array } {
  const n = pseudoLabels.length;
  const columns = cls.length / n;
  const dcls = new Float64Array(cls.length);
  const groups = new Map<string, number[]>();
  for (let row = 0; row < n; row++) {
    if (pseudoLabels[row] < 0) continue;
    const key = pooled && pseudoLabels[row] > 0 ? `cluster ${clusters[row]}` : `row ${row}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  let loss = 0;
  for (const rows of groups.values()) {
    const places = rows.map((row) => row * columns + pseudoLabels[row]);
    const weight = (lambda / n) * rows.reduce((sum, row) => sum + lossWeights[row], 0);
    const sum = places.reduce((total, i) => total + (pooled ? Math.max(cls[i], 1e-9) : cls[i] + 1e-6), 0);
    loss -= weight * Math.log(sum / rows.length);
    for (const i of places) dcls[i] = pooled && cls[i] < Math.fround(1e-9) ? 0 : -weight / sum;
  }
  return { loss, dcls };
}

/** Mean over all logits, and its gradient; targets 0 or 1. */
export function multiLabelSoftMarginLoss(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
): { loss: number; dlogits: Float64Array } {
  const n = logits.length;
  let loss = 0;
  const dlogits = Float64Array.from(logits, (x, i) => {
    loss += (Math.max(x, 0) - x * targets[i] + Math.log1p(Math.exp(-Math.abs(x)))) / n;
    return (1 / (1 + Math.exp(-x)) - targets[i]) / n;
  });
  return { loss, dlogits };
}

/** y per plane, and the derivative of each plane's y by its elements. */
export function logSumExpPool(
  x: ArrayLike<number>,
  planes: number,
  sharpness: number,
): { y: Float64Array; slopes: Float64Array } {
  const area = x.length / planes;
  const y = new Float64Array(planes);
  const slopes = new Float64Array(x.length);
  for (let plane = 0; plane < planes; plane++) {
    const values = Array.from({ length: area }, (_, i) => x[plane * area + i]);
    const largest = Math.max(...values);
    const exponentials = values.map((v) => Math.exp(sharpness * (v - largest)));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    y[plane] = largest + Math.log(sum / area) / sharpness;
    exponentials.forEach((e, i) => (slopes[plane * area + i] = e / sum));
  }
  return { y, slopes };
}

/** Losses per row of logits [rows, columns], and the gradient of their mean. */
export function crossEntropyLoss(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
): { losses: Float64Array; dlogits: Float64Array } {
  const rows = labels.length;
  const columns = logits.length / rows;
  const losses = new Float64Array(rows);
  const dlogits = new Float64Array(logits.length);
  for (let row = 0; row < rows; row++) {
    const values = Array.from({ length: columns }, (_, c) => logits[row * columns + c]);
    const largest = Math.max(...values);
    const total = values.reduce((sum, x) => sum + Math.exp(x - largest), 0);
    losses[row] = largest + Math.log(total) - values[labels[row]];
    values.forEach((x, c) => {
      dlogits[row * columns + c] = (Math.exp(x - largest) / total - (c === labels[row] ? 1 : 0)) / rows;
    });
  }
  return { losses, dlogits };
}
