package receiver;

import com.fasterxml.jackson.databind.ObjectMapper;
import jakarta.annotation.PostConstruct;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

/**
 * A receiver with Spring: verifies, answers at once, works later, and does nothing twice.
 *
 * <p>SECRET=… SERVER_PORT=9000, with the dependencies of pom.xml.
 */
@SpringBootApplication
@RestController
public class Receiver {
    private static final long FRESH_SECONDS = 300;
    private final Path folder = Path.of(System.getenv().getOrDefault("FOLDER", "received"));
    private final ExecutorService later = Executors.newSingleThreadExecutor();

    public static void main(String[] arguments) {
        SpringApplication.run(Receiver.class, arguments);
    }

    @PostConstruct
    void takeUpWhatWaits() throws IOException {
        Files.createDirectories(folder.resolve("events"));
        Files.createDirectories(folder.resolve("done"));
        try (Stream<Path> events = Files.list(folder.resolve("events"))) {
            events.map(event -> event.getFileName().toString())
                    .filter(id -> Files.notExists(folder.resolve("done").resolve(id)))
                    .forEach(id -> later.execute(() -> work(id)));
        }
    }

    @PostMapping("/")
    ResponseEntity<Void> receive(
            @RequestBody byte[] body,
            @RequestHeader(value = "webhook-id", defaultValue = "") String id,
            @RequestHeader(value = "webhook-timestamp", defaultValue = "0") long time,
            @RequestHeader(value = "webhook-signature", defaultValue = "") String signatures)
            throws GeneralSecurityException, IOException {
        if (!isValid(id, time, signatures, body)) {
            return ResponseEntity.status(401).build();
        }
        if (keep(id, body)) {
            later.execute(() -> work(id));
        }
        return ResponseEntity.noContent().build();
    }

    /** Standard Webhooks: this signature covers the id too, so that nobody can make a delivery look like another one. */
    private static boolean isValid(String id, long time, String signatures, byte[] body) throws GeneralSecurityException {
        String secret = System.getenv("SECRET");
        byte[] key = secret.startsWith("whsec_")
                ? Base64.getDecoder().decode(secret.substring(6))
                : secret.getBytes(StandardCharsets.UTF_8);
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + time + ".").getBytes(StandardCharsets.UTF_8));
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes(StandardCharsets.UTF_8);
        boolean isFresh = Math.abs(Instant.now().getEpochSecond() - time) < FRESH_SECONDS;
        return id.matches("\\w+") && isFresh && Stream.of(signatures.split(" "))
                .anyMatch(given -> MessageDigest.isEqual(given.getBytes(StandardCharsets.UTF_8), expected));
    }

    /** Whole or not at all, and only once: a link to a name that is taken fails. */
    private boolean keep(String id, byte[] body) throws IOException {
        Path temporary = Files.createTempFile(folder, "new", "");
        try {
            Files.write(temporary, body);
            Files.createLink(folder.resolve("events").resolve(id), temporary);
            return true;
        } catch (FileAlreadyExistsException known) {
            return false;
        } finally {
            Files.delete(temporary);
        }
    }

    private void work(String id) {
        try {
            var event = new ObjectMapper().readTree(folder.resolve("events").resolve(id).toFile());
            // Open the ticket, ask the other service: here it may take its time.
            System.out.println("worked " + id + " " + event.path("event").asText());
            Files.createFile(folder.resolve("done").resolve(id));
        } catch (IOException error) {
            // It is taken up again at the next start.
            error.printStackTrace();
        }
    }
}
