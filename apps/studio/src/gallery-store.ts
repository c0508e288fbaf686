// The pictures that were painted, kept by the browser.
import { type DBSchema, openDB } from 'idb';

/** A painted picture. Its settings are in its file. */
export interface GalleryPicture {
  /** Below 0 for what could not be kept. */
  readonly id: number;
  readonly png: Blob;
  readonly prompt: string;
  readonly width: number;
  readonly height: number;
}

interface GallerySchema extends DBSchema {
  pictures: { key: number; value: Omit<GalleryPicture, 'id'> & { id?: number } };
}

const open = () =>
  openDB<GallerySchema>('emulsion-studio', 1, {
    upgrade: (db) => void db.createObjectStore('pictures', { keyPath: 'id', autoIncrement: true }),
  });
let database: ReturnType<typeof open> | undefined;
const db = () => {
  database ??= open().catch((error: unknown) => {
    // It may go well another time.
    database = undefined;
    throw error;
  });
  return database;
};

/** All pictures, the newest first. */
export async function listPictures(): Promise<GalleryPicture[]> {
  const stored = await (await db()).getAll('pictures');
  // The store gives each its key.
  return (stored as GalleryPicture[]).reverse();
}

export async function addPicture(picture: Omit<GalleryPicture, 'id'>): Promise<GalleryPicture> {
  return { ...picture, id: await (await db()).add('pictures', picture) };
}

export async function deletePicture(id: number): Promise<void> {
  await (await db()).delete('pictures', id);
}
