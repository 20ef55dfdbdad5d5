export { scaledBoxes, scaledMask } from '@cim/model/masks/index';
