/** Topics in SQLite, with the few facts every request needs of them kept in memory. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HubError } from "../../errors.ts";
import type { NewTopic, Topic, TopicStore } from "../port.ts";
import { isConstraintViolation, storeError } from "./database.ts";
import type { Row } from "./rows.ts";
import { integer, text, textOrNull } from "./rows.ts";

/** A topic and the numbering state that only the event store moves. */
export interface TopicState {
  readonly no: number;
  topic: Topic;
  lastSeq: number;
  deletedThroughSeq: number;
}

export class SqliteTopics implements TopicStore {
  readonly #states = new Map<string, TopicState>();
  readonly #insert: StatementSync;
  readonly #selectId: StatementSync;
  readonly #updateRetention: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      "INSERT INTO topics (id, name, display_name, retention_s, created_at) VALUES (?, ?, ?, ?, ?)",
    );
    this.#selectId = database.prepare("SELECT * FROM topics WHERE id = ?");
    this.#updateRetention = database.prepare("UPDATE topics SET retention_s = ? WHERE id = ?");
    for (const row of database.prepare("SELECT * FROM topics ORDER BY no").all()) this.#remember(row);
  }

  /** The live state of a topic, for the rooms of this engine. */
  state(id: string): TopicState | undefined {
    return this.#states.get(id);
  }

  states(): Iterable<TopicState> {
    return this.#states.values();
  }

  async create(topic: NewTopic): Promise<Topic> {
    this.insert(topic);
    return this.load(topic.id);
  }

  /** The insert alone, for transactions that do more; they {@link load} the topic after their commit. */
  insert(topic: NewTopic): void {
    try {
      this.#insert.run(topic.id, topic.name, topic.displayName, topic.retentionS, topic.createdAt);
    } catch (error) {
      if (isConstraintViolation(error)) {
        throw new HubError("CONFLICT", `A topic named ${topic.name} exists already`, { cause: error });
      }
      throw storeError(error);
    }
  }

  /** Takes up a topic that has just been committed. */
  load(id: string): Topic {
    const row = this.#selectId.get(id);
    if (row === undefined) throw new HubError("INTERNAL", "The new topic cannot be read back");
    return this.#remember(row).topic;
  }

  async get(id: string): Promise<Topic | undefined> {
    return this.#states.get(id)?.topic;
  }

  async byName(name: string): Promise<Topic | undefined> {
    for (const { topic } of this.#states.values()) if (topic.name === name) return topic;
    return undefined;
  }

  async list(): Promise<readonly Topic[]> {
    return [...this.#states.values()].map((state) => state.topic);
  }

  async setRetention(id: string, retentionS: number): Promise<boolean> {
    const state = this.#states.get(id);
    if (state === undefined) return false;
    try {
      this.#updateRetention.run(retentionS, id);
    } catch (error) {
      throw storeError(error);
    }
    state.topic = { ...state.topic, retentionS };
    return true;
  }

  #remember(row: Row): TopicState {
    const state: TopicState = {
      no: integer(row, "no"),
      topic: {
        id: text(row, "id"),
        name: text(row, "name"),
        displayName: textOrNull(row, "display_name"),
        retentionS: integer(row, "retention_s"),
        createdAt: integer(row, "created_at"),
      },
      lastSeq: integer(row, "last_seq"),
      deletedThroughSeq: integer(row, "deleted_through_seq"),
    };
    this.#states.set(state.topic.id, state);
    return state;
  }
}
