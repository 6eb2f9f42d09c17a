/**
 * A small corpus with the scores that the public reference code gives it: coco-caption's `bleu_scorer.py` (each caption's BLEU as
 * in its later version, with the caption's own brevity), `rouge.py` and `cider_scorer.py` (CIDEr-D), and the CIDEr authors'
 * `cider_scorer.py` (CIDEr, document frequencies of the references), in Python 3 with float64. Captions are passed as they are,
 * without PTBTokenizer. Odd cases: an empty caption, one word, repeated n-grams, one reference, an empty reference, double and
 * no-break spaces, other scripts, two references equally far from the caption's length.
 */

// biome-ignore format: numbers in the order of the captions
export const cocoCaption =
{
 "items": [
  {
   "candidate": "a man riding a wave on top of a surfboard",
   "references": [
    "a man is riding a wave on a surfboard",
    "a surfer rides a large wave in the ocean",
    "man on surfboard in the water riding a wave",
    "a person surfing on a wave"
   ]
  },
  {
   "candidate": "",
   "references": [
    "a cat sits on a mat",
    "the cat is sitting on the mat"
   ]
  },
  {
   "candidate": "bird",
   "references": [
    "a small bird with a red head",
    "the bird"
   ]
  },
  {
   "candidate": "the the the the the the the",
   "references": [
    "the cat is on the mat",
    "there is a cat on the mat"
   ]
  },
  {
   "candidate": "a red bird with a red head and a red beak",
   "references": [
    "a red bird with a black beak"
   ]
  },
  {
   "candidate": "un café près d'une forêt 猫",
   "references": [
    "un café dans une forêt 猫",
    "le café"
   ]
  },
  {
   "candidate": "a b c d e f",
   "references": [
    "a b c d",
    "a b c d e f g h",
    "a b c d x y z w"
   ]
  },
  {
   "candidate": "a dog",
   "references": [
    "a dog runs",
    "a"
   ]
  },
  {
   "candidate": "this bird has a yellow belly and black wings with white wingbars",
   "references": [
    "this bird has a yellow belly and black wings with white wingbars"
   ]
  },
  {
   "candidate": "two  dogs   play",
   "references": [
    "two dogs play in the  grass",
    "dogs  play"
   ]
  },
  {
   "candidate": "a plate of food",
   "references": [
    "",
    "a plate"
   ]
  },
  {
   "candidate": "",
   "references": [
    "",
    "x y"
   ]
  },
  {
   "candidate": "♥ ☀ ♥ ☀ heart sun",
   "references": [
    "♥ ☀ heart with sun",
    "heart ♥"
   ]
  },
  {
   "candidate": "a\u00a0b c",
   "references": [
    "a b c",
    "a\u00a0b"
   ]
  },
  {
   "candidate": "the bird is small and black with a long pointed beak and a very long tail and white spots on its wings",
   "references": [
    "small black bird",
    "a black bird with long tail"
   ]
  }
 ],
 "corpus": {
  "bleu": [
   0.6451612903156434,
   0.5388159060740603,
   0.45456730387180255,
   0.3965087236782642
  ],
  "rougeL": 0.6892042167520127,
  "cider": 2.9779101736277855,
  "ciderD": 2.599093183149283
 },
 "each": {
  "bleu": [
   [
    0.7999999999200001,
    0.0,
    0.3678794404356846,
    0.2857142856326532,
    0.5454545454049587,
    0.6666666664444446,
    0.9999999998333334,
    0.9999999995000004,
    0.9999999998333334,
    0.999999999666667,
    0.4999999998750002,
    0.0,
    0.6666666665555557,
    0.9999999993333338,
    0.3181818181673554
   ],
   [
    0.6666666665962965,
    0.0,
    0.0003678794406196241,
    6.900655591369778e-09,
    0.4670993664523271,
    0.5163977793135832,
    0.9999999998166668,
    0.9999999992500007,
    0.9999999998295456,
    0.9999999995833336,
    0.40824829034479093,
    0.0,
    0.5163977793996495,
    0.9999999992500005,
    0.12309149097360453
   ],
   [
    0.4807498567152745,
    0.0,
    3.678794406809375e-05,
    2.119679665233836e-11,
    0.4174128044426241,
    4.054801328872984e-06,
    0.9999999997944446,
    0.009999999995000007,
    0.9999999998252527,
    0.9999999993888895,
    4.367902322104202e-06,
    0.0,
    0.4054801329548782,
    0.9999999990555564,
    9.116091792779734e-07
   ],
   [
    0.35494810555850326,
    0.0,
    1.163336936997511e-05,
    1.2421889947162098e-12,
    0.36720562695015824,
    1.2209471666681028e-08,
    0.9999999997625002,
    0.0009999999996250003,
    0.9999999998203284,
    0.03162277658719003,
    1.699044243962204e-08,
    0.0,
    6.865890478059747e-05,
    0.03162277657664911,
    2.512858979910361e-09
   ]
  ],
  "rougeL": [
   0.8501742160278747,
   0.0,
   0.6288659793814433,
   0.31202046035805625,
   0.6944971537001898,
   0.6666666666666666,
   1.0,
   1.0,
   1.0,
   0.7093023255813954,
   0.7093023255813954,
   1.0,
   0.7393939393939394,
   0.7093023255813954,
   0.31853785900783294
  ],
  "cider": [
   2.213853293103935,
   0.0,
   1.3424271991852423,
   0.9382749033187637,
   5.008720785514714,
   1.6941772515768494,
   6.157555889615415,
   1.9128755035353682,
   10.0,
   4.3546622826552985,
   1.446510654920234,
   0.0,
   3.0702389316565384,
   5.5229264032304926,
   1.0064295061039361
  ],
  "ciderD": [
   2.1218338139713437,
   0.0,
   1.179204539360852,
   0.2236504615875472,
   3.169147076006651,
   1.6222745552859714,
   5.824798299104325,
   1.8864914350316826,
   10.0,
   4.0404925149686814,
   1.368340450896322,
   0.0,
   2.0335358810999042,
   5.498472636329106,
   0.018156083596853338
  ]
 },
 "first": {
  "bleu": [
   0.7999999999200001,
   0.6666666665962965,
   0.4807498567152745,
   0.35494810555850326
  ],
  "rougeL": 0.8501742160278747,
  "cider": 0.0,
  "ciderD": 0.0
 }
};
