/** Owns the schemas that the OpenAPI documents name: those of the wire, by name. */
import * as wire from "agentrux-wire";
import { z } from "zod";
import type { JsonObject } from "./operation.ts";

const SCHEMAS = {
  ActivateRequest: wire.activateRequestASchema,
  ActivateResponse: wire.activateResponseASchema,
  RedeemActivationRequest: wire.redeemActivationRequestBSchema,
  RedeemActivationResponse: wire.redeemActivationResponseBSchema,
  TokenRequest: wire.tokenRequestASchema,
  TokenResponse: wire.tokenResponseASchema,
  RefreshRequest: wire.refreshRequestASchema,
  RotateKeyResponse: wire.rotateKeyResponseASchema,
  RedeemInviteRequest: wire.redeemInviteRequestASchema,
  RedeemInviteResponse: wire.redeemInviteResponseASchema,
  Me: wire.meResponseASchema,
  OAuthTokenRequest: wire.oauthTokenRequestSchema,
  OAuthTokenResponse: wire.oauthTokenResponseSchema,
  RegisterClientRequest: wire.registerClientRequestSchema,
  RegisterClientResponse: wire.registerClientResponseSchema,
  DeviceAuthorizeRequest: wire.deviceAuthorizeRequestSchema,
  DeviceAuthorizeResponse: wire.deviceAuthorizeResponseSchema,
  TopologyRequest: wire.topologyRequestSchema,
  TopicList: wire.topicListResponseSchema,
  PublishRequestA: wire.publishRequestASchema,
  PublishRequestB: wire.publishRequestBSchema,
  PublishResponseA: wire.publishResponseASchema,
  PublishResponseB: wire.publishResponseBSchema,
  PublishBatchRequestA: wire.publishBatchRequestASchema,
  PublishBatchRequestB: wire.publishBatchRequestBSchema,
  PublishBatchResponse: z.looseObject({
    events: z.array(z.union([wire.publishResponseASchema, wire.publishResponseBSchema])),
  }),
  EventA: wire.eventASchema,
  EventB: wire.eventBSchema,
  EventPageA: wire.eventPageASchema.extend({ items: z.array(wire.eventASchema) }),
  EventPageB: wire.eventPageBSchema.extend({ events: z.array(wire.eventBSchema) }),
  CreatePayloadRequestA: wire.createPayloadRequestASchema,
  CreatePayloadRequestB: wire.createPayloadRequestBSchema,
  CreatePayloadResponseA: wire.createPayloadResponseASchema,
  CreatePayloadResponseB: wire.createPayloadResponseBSchema,
  PayloadInfoA: wire.payloadInfoASchema,
  PayloadInfoB: wire.payloadInfoBSchema,
  CreateTopicRequest: wire.createTopicRequestSchema,
  Topic: wire.consoleTopicSchema,
  Topics: z.looseObject({ topics: z.array(wire.consoleTopicSchema) }),
  CreateScriptRequest: wire.createScriptRequestSchema,
  Script: wire.consoleScriptSchema,
  Scripts: z.looseObject({ scripts: z.array(wire.consoleScriptSchema) }),
  CreateGrantRequest: wire.createGrantRequestSchema,
  Grant: wire.consoleGrantSchema,
  Grants: z.looseObject({ grants: z.array(wire.consoleGrantSchema) }),
  IssueActivationCodeRequest: wire.issueActivationCodeRequestSchema,
  IssueActivationCodeResponse: wire.issueActivationCodeResponseSchema,
  CreateInviteRequest: wire.createInviteRequestSchema,
  CreateInviteResponse: wire.createInviteResponseSchema,
  CreateWebhookRequest: wire.createWebhookRequestSchema,
  CreateWebhookResponse: wire.createWebhookResponseSchema,
  FluxEventRequest: wire.fluxEventRequestSchema,
  FluxPublishResponse: wire.fluxPublishResponseSchema,
  FluxBatchRequest: wire.fluxBatchRequestSchema,
  FluxBatchResponse: wire.fluxBatchResponseSchema,
  FluxHistory: z.array(wire.fluxEventSchema),
  FluxEntity: wire.fluxEntitySchema,
  FluxEntityList: wire.fluxEntityListSchema,
  FluxDeleteResponse: wire.fluxDeleteResponseSchema,
  FluxDeleteFilter: wire.fluxDeleteFilterSchema,
  FluxBatchDeleteResponse: wire.fluxBatchDeleteResponseSchema,
  FluxNamespaceRequest: wire.fluxNamespaceRequestSchema,
  FluxNamespaceToken: wire.fluxNamespaceTokenSchema,
  FluxNamespace: wire.fluxNamespaceSchema,
  FluxConnector: wire.fluxConnectorSchema,
  FluxConnectorList: wire.fluxConnectorListSchema,
  FluxConnectorTokenRequest: wire.fluxConnectorTokenRequestSchema,
  FluxConfig: wire.fluxConfigSchema,
  FluxConfigChange: wire.fluxConfigSchema.partial(),
  Error: z.union([wire.errorBodyASchema, wire.errorBodyBSchema, wire.oauthErrorBodySchema, wire.fluxErrorSchema]),
} satisfies Record<string, z.ZodType>;

export type SchemaName = keyof typeof SCHEMAS;

/** The `components.schemas` object of a document. */
export function componentSchemas(): JsonObject {
  return Object.fromEntries(
    Object.entries(SCHEMAS).map(([name, schema]) => {
      const { $schema: _dialect, ...json } = z.toJSONSchema(schema);
      return [name, json];
    }),
  );
}
