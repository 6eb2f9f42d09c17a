/**
 * CLIP's tokenizer alone (mc-diffusion/clip-tokenizer): texts to ids and back. Captioners load it by themselves
 * (`data.tokenizer=clip`).
 */

export { ClipBpe } from "./text/clip/bpe.js";
export { ClipTokenizer } from "./text/clip/clip-tokenizer.js";
export { readClipVocabulary } from "./text/clip/vocabulary.js";
