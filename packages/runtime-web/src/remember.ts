// Answers that are worth remembering beyond a page's life: kept in the Cache API, which workers have too.

const answers = new Map<string, Promise<unknown>>();

const cacheName = 'emulsion-answers';
const addressOf = (key: string) => `https://emulsion.invalid/${encodeURIComponent(key)}`;

/** What is stored under a key; nothing where storage is switched off, or damaged. */
async function recall(key: string): Promise<unknown> {
  try {
    const response = await (await caches.open(cacheName)).match(addressOf(key));
    return await response?.json();
  } catch {
    return undefined;
  }
}

async function store(key: string, answer: unknown): Promise<void> {
  try {
    await (await caches.open(cacheName)).put(addressOf(key), new Response(JSON.stringify(answer)));
  } catch {
    // Where nothing can be stored, it is worked out again with the next page.
  }
}

/**
 * The answer to a question that has the same one each time: worked out once, then remembered.
 * @param isAnswer whether what was stored can be trusted
 */
export function remember<Answer>(
  key: string,
  isAnswer: (value: unknown) => value is Answer,
  workOut: () => Promise<Answer>,
): Promise<Answer> {
  // A key stands for one question, so that its answer has the question's type.
  const known = answers.get(key) as Promise<Answer> | undefined;
  if (known) return known;
  const answer = (async () => {
    const stored = await recall(key);
    if (isAnswer(stored)) return stored;
    const fresh = await workOut();
    await store(key, fresh);
    return fresh;
  })();
  answers.set(key, answer);
  answer.catch(() => answers.delete(key));
  return answer;
}
