// A certified OpenID provider with three people and two clients, for tests. Arguments: the folder that npm has filled, and where
// the clients are led back to. It says its address, as JSON, when it is ready, and ends when its input does.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [folder, redirect] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`).href);

const people = {
  ada: { name: "Ada Lovelace", email: "ada@id.example", email_verified: true, groups: ["staff", "on-call"] },
  grace: { name: "Grace Hopper", email: "grace@id.example", email_verified: true, groups: ["staff", "ops-admins"] },
  mallory: { name: "Mallory", email: "mallory@id.example", email_verified: false, groups: ["guests"] },
};

const client = (id) => ({
  client_id: id,
  client_secret: `secret of ${id}: 100% +/=`,
  redirect_uris: [redirect],
  token_endpoint_auth_method: "client_secret_basic",
});

const server = createServer().listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [client("opsknight"), client("other")],
    claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
    scopes: ["openid", "profile", "email", "groups"],
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    pkce: { required: () => true },
    cookies: { keys: ["a key of this test"] },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});

process.stdin.resume().on("end", () => process.exit());
