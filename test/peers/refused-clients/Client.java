import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

/** Asks each NAME:PORT for a page, and prints a line on how it went. jdk.net.hosts.file says where the names are. */
public class Client {
  public static void main(String[] targets) throws Exception {
    for (String target : targets) {
      try {
        var request = HttpRequest.newBuilder(URI.create("https://" + target + "/")).build();
        HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        System.out.println("connected");
      } catch (java.io.IOException error) {
        System.out.println(error);
      }
    }
    System.exit(0);
  }
}
