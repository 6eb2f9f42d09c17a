/** The scene that is composed: its objects and its ground, from a drawn scene or by hand. */

import {
  type PlacedObject,
  type PlacedScene,
  placedScene,
  type Scene,
  type SceneArt,
  SceneMaker,
  type Thing,
} from "../../../dist/scenes.js";

/** What a scene is drawn again from: the number of a drawn scene, that of the scene with its ground, and the objects if they were changed. */
export interface Recipe {
  readonly scene: number;
  readonly ground: number;
  readonly objects: readonly PlacedObject[] | null;
}

export class Composition {
  readonly art: SceneArt;
  private maker: SceneMaker;
  /** Of the drawn scene. */
  private number = 0;
  private groundNumber = 0;
  private isChanged = false;
  private placed: PlacedScene;

  constructor(art: SceneArt, size: number) {
    this.art = art;
    this.maker = new SceneMaker(art.things, art.sheet, { size });
    this.placed = this.drawn(0);
  }

  /** The scene as it is now. Until something is changed it is the drawn one, with its arrangement. */
  get scene(): Scene {
    return this.isChanged ? placedScene(this.placed, this.art.sheet) : this.maker.at("test", this.number);
  }

  get size(): number {
    return this.placed.size;
  }

  get objects(): readonly PlacedObject[] {
    return this.placed.objects;
  }

  get recipe(): Recipe {
    return {
      scene: this.number,
      ground: this.groundNumber,
      objects: this.isChanged ? this.placed.objects : null,
    };
  }

  /** Draws scene `number`: the same for everybody. */
  draw(number: number): void {
    this.number = number;
    this.groundNumber = number;
    this.isChanged = false;
    this.placed = this.drawn(number);
  }

  follow({ scene, ground, objects }: Recipe): void {
    this.draw(scene);
    if (ground !== scene) this.useGround(ground);
    if (objects) this.change(objects.slice(0, most));
  }

  /** Takes the ground of scene `number`. */
  useGround(number: number): void {
    this.groundNumber = number;
    this.isChanged = true;
    this.placed = { ...this.placed, ground: this.maker.at("test", number).ground };
  }

  get ground(): number {
    return this.groundNumber;
  }

  /** Makes the picture another size. */
  resize(size: number): void {
    if (size === this.placed.size) return;
    const by = size / this.placed.size;
    const { objects } = this.placed;
    this.maker = new SceneMaker(this.art.things, this.art.sheet, { size });
    const { number, groundNumber, isChanged } = this;
    this.draw(number);
    if (groundNumber !== number) this.useGround(groundNumber);
    if (isChanged)
      this.change(objects.map((o) => ({ ...o, x: o.x * by, y: o.y * by, side: Math.round(o.side * by) })));
  }

  /** Adds a thing around a point, in the drawing that it has in the scene already, in front of all. Null if there is no room for more. */
  add(thing: Thing, x = this.size / 2, y = this.size / 2): number | null {
    const { objects } = this.placed;
    if (objects.length >= most) return null;
    const alike = objects.find((object) => object.thing.name === thing.name);
    const side = alike?.side ?? Math.round(this.size * 0.36);
    const object: PlacedObject = alike
      ? { ...alike, x: 0, y: 0 }
      : { thing, drawing: thing.drawings[0]!, vendor: "noto", side, x: 0, y: 0, mirrored: false };
    const { width, height } = this.art.sheet.extent(object.vendor, object.drawing.code, side);
    this.change([...objects, { ...object, x: x - width / 2, y: y - height / 2 }]);
    return objects.length;
  }

  /** Moves an object by pixels, and makes its longer side `grow` longer, around its middle. */
  alter(number: number, { x = 0, y = 0, grow = 0 }: { x?: number; y?: number; grow?: number }): void {
    this.change(
      this.placed.objects.map((object, i) => {
        if (i !== number) return object;
        const side = Math.min(this.size, Math.max(Math.ceil(this.size / 8), object.side + grow));
        const before = this.art.sheet.extent(object.vendor, object.drawing.code, object.side);
        const after = this.art.sheet.extent(object.vendor, object.drawing.code, side);
        return {
          ...object,
          side,
          x: object.x + x + Math.trunc((before.width - after.width) / 2),
          y: object.y + y + Math.trunc((before.height - after.height) / 2),
        };
      }),
    );
  }

  remove(number: number): void {
    this.change(this.placed.objects.filter((_, i) => i !== number));
  }

  private change(objects: readonly PlacedObject[]): void {
    this.isChanged = true;
    this.placed = { ...this.placed, objects: objects.map((object) => this.inside(object)) };
  }

  /** The object with whole pixels, inside the picture. */
  private inside(object: PlacedObject): PlacedObject {
    const { size } = this.placed;
    const side = Math.min(size, Math.max(Math.ceil(size / 8), Math.round(object.side)));
    const { width, height } = this.art.sheet.extent(object.vendor, object.drawing.code, side);
    const within = (at: number, length: number) => Math.min(size - length, Math.max(0, Math.round(at)));
    return { ...object, side, x: within(object.x, width), y: within(object.y, height) };
  }

  private drawn(number: number): PlacedScene {
    const { size, ground, entities, objects } = this.maker.at("test", number);
    return {
      size,
      ground,
      objects: objects.map(({ entity, box, side, mirrored }) => {
        const { thing, drawing, vendor } = entities[entity]!;
        return { thing, drawing, vendor, side, x: box.x, y: box.y, mirrored };
      }),
    };
  }
}

/** Most objects of a scene. */
const most = 8;
