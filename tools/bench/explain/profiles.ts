/** What the cores of GPUs offer, from their makers' documents or, where these are silent, from measurements of others. */

/** A core: NVIDIA's SM, AMD's compute unit, Intel's Xe-core, Apple's GPU core, Qualcomm's shader processor. */
export interface GpuProfile {
  readonly name: string;
  readonly title: string;
  readonly cores: number;
  /** Invocations that run in lockstep: registers are handed out to all of them together. */
  readonly wave: number;
  /** Invocations and workgroups that a core keeps at once. */
  readonly threads: number;
  readonly workgroups: number;
  /** 32 bit registers of a core, of an invocation at most, and in steps of which an invocation gets them. */
  readonly registers: { readonly core: number; readonly most: number; readonly step: number };
  /** Workgroup memory of a core, bytes. */
  readonly memory: number;
  /** f32 operations a second, a multiply-add counts 2. */
  readonly flops: number;
  /** Bytes a second from and to main memory. */
  readonly bandwidth: number;
  readonly source: string;
}

const KIB = 1024;
const words = (kib: number): number => (kib * KIB) / 4;

export const PROFILES: readonly GpuProfile[] = [
  {
    name: 'nvidia-ada',
    title: 'NVIDIA GeForce RTX 4090 (Ada, AD102)',
    cores: 128,
    wave: 32,
    threads: 1536,
    workgroups: 24,
    registers: { core: words(256), most: 255, step: 8 },
    memory: 100 * KIB,
    flops: 82.6e12,
    bandwidth: 1008e9,
    source: 'CUDA C++ Programming Guide, compute capability 8.9; NVIDIA Ada GPU Architecture whitepaper',
  },
  {
    name: 'amd-rdna3',
    title: 'AMD Radeon RX 7900 XTX (RDNA 3, Navi 31)',
    cores: 96,
    wave: 32,
    // Two SIMDs of 16 waves each.
    threads: 2 * 16 * 32,
    workgroups: 16,
    registers: { core: 2 * words(192), most: 256, step: 24 },
    memory: 64 * KIB,
    // Counts dual-issued instructions, which compilers pair only sometimes: half of it is without.
    flops: 61.4e12,
    bandwidth: 960e9,
    source: 'RDNA3 ISA reference guide; AMD GPUOpen, Occupancy explained; rocprofiler-compute, Workgroup processor',
  },
  {
    name: 'intel-xe-hpg',
    title: 'Intel Arc A770 (Xe-HPG, DG2)',
    cores: 32,
    wave: 16,
    // 16 vector engines of 8 threads, a thread runs 16 invocations.
    threads: 16 * 8 * 16,
    workgroups: 128,
    // 128 registers of 32 bytes a thread, shared by its 16 invocations, or by 8 where these need more than 64 words each.
    registers: { core: 16 * 8 * 128 * 8, most: 128, step: 64 },
    memory: 128 * KIB,
    flops: 19.7e12,
    bandwidth: 560e9,
    source: "oneAPI GPU Optimization Guide; oneAPI-samples' GPU Occupancy Calculator, xe_hpg_dg2_arc",
  },
  {
    name: 'apple-m1-max',
    title: 'Apple M1 Max (32 cores)',
    cores: 32,
    wave: 32,
    threads: 3072,
    workgroups: 96,
    registers: { core: words(208), most: 128, step: 4 },
    memory: 60 * KIB,
    flops: 10.6e12,
    bandwidth: 400e9,
    source: 'Not documented by Apple: philipturner/metal-benchmarks and dougallj/applegpu, measured',
  },
  {
    name: 'qualcomm-adreno-x1',
    title: 'Qualcomm Adreno X1-85 (Snapdragon X Elite)',
    cores: 6,
    wave: 64,
    // Two halves of 16 waves each.
    threads: 2 * 16 * 64,
    workgroups: 16,
    registers: { core: 2 * words(192), most: 192, step: 4 },
    memory: 32 * KIB,
    flops: 4.6e12,
    bandwidth: 135e9,
    source:
      "Rate and bandwidth by Qualcomm; the core after Mesa's freedreno_devices.py and Chips and Cheese: a rough guess",
  },
];
