import * as WebhookStore from "../../src/services/WebhookStore.js"
import { webhookStoreContract } from "../../src/testing/WebhooksContract.js"

webhookStoreContract("WebhookStore.layerMemory", { layer: WebhookStore.layerMemory })
