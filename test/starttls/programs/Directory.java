import java.util.Hashtable;
import javax.naming.Context;
import javax.naming.ldap.InitialLdapContext;
import javax.naming.ldap.StartTlsRequest;
import javax.naming.ldap.StartTlsResponse;

/** Reads an entry with JNDI, over StartTLS: Directory URL DN ATTRIBUTE. */
public class Directory {
  public static void main(String[] args) throws Exception {
    Hashtable<String, Object> environment = new Hashtable<>();
    environment.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
    environment.put(Context.PROVIDER_URL, args[0]);
    InitialLdapContext context = new InitialLdapContext(environment, null);
    StartTlsResponse tls = (StartTlsResponse) context.extendedOperation(new StartTlsRequest());
    tls.negotiate();
    System.out.println(context.getAttributes(args[1]).get(args[2]).get());
    tls.close();
    context.close();
  }
}
