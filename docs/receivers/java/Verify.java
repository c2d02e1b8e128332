import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Checks X-OpsKnight-Signature. Nothing beyond the JDK. */
public final class Verify {
    private Verify() {}

    /** Whether {@code signature} (the header's value, or null) is what {@code secret} gives for the raw body. */
    public static boolean verifySignature(byte[] body, String signature, String secret)
            throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        StringBuilder expected = new StringBuilder("sha256=");
        for (byte value : mac.doFinal(body)) {
            expected.append(String.format("%02x", value));
        }
        byte[] received = (signature == null ? "" : signature).getBytes(StandardCharsets.UTF_8);
        return MessageDigest.isEqual(expected.toString().getBytes(StandardCharsets.UTF_8), received);
    }

    /**
     * Whether a request is ours, also while the secret is being rotated: then X-OpsKnight-Signature is made with the
     * new secret and X-OpsKnight-Signature-Previous with the old one, so whichever you hold, one of them fits.
     */
    public static boolean verifyRequest(byte[] body, String signature, String previousSignature, String secret)
            throws GeneralSecurityException {
        return verifySignature(body, signature, secret) || verifySignature(body, previousSignature, secret);
    }

    /** java Verify.java SIGNATURE SECRET [PREVIOUS SIGNATURE] < body */
    public static void main(String[] arguments) throws IOException, GeneralSecurityException {
        String previousSignature = arguments.length > 2 ? arguments[2] : null;
        byte[] body = System.in.readAllBytes();
        boolean isValid = verifyRequest(body, arguments[0], previousSignature, arguments[1]);
        System.out.println(isValid ? "valid" : "invalid");
        System.exit(isValid ? 0 : 1);
    }
}
