/**
 * Schemas of COCO's annotations and results. They say what is wrong where the quick checks of the readers found
 * something: few files need them, so they are loaded only then.
 */
import { z } from 'zod';
import { describeIssue } from '../formats/json.ts';

const length = z.int().positive();
const rle = z.object({
  size: z.tuple([length, length]),
  counts: z.union([z.string(), z.array(z.int().nonnegative())]),
});
const polygon = z
  .array(z.number())
  .min(6)
  .refine(({ length: numbers }) => numbers % 2 === 0, 'a coordinate lacks its partner');

const object = z.object({
  id: z.int().optional(),
  iscrowd: z.literal([0, 1]).optional(),
  segmentation: z.union([z.array(polygon), rle]).optional(),
});

const results = z.array(
  z
    .object({
      image_id: z.int(),
      category_id: z.int(),
      score: z.number(),
      segmentation: rle.optional(),
      bbox: z.tuple([z.number(), z.number(), z.number(), z.number()]).optional(),
    })
    .refine(({ segmentation, bbox }) => segmentation || bbox, 'it has neither a segmentation nor a bbox'),
);

/** What is wrong with an annotation called `name`, as the middle of a sentence. */
export const explainObject = (value: unknown, name: string): string => explain(object, value, name);
/** What is wrong with a list of results. */
export const explainResults = (value: unknown): string => explain(results, value, 'entry');

function explain(schema: z.ZodType, value: unknown, name: string): string {
  const { error } = schema.safeParse(value);
  return error ? describeIssue(error, value, name) : `${name} is not as it should be`;
}
