"""Sends and fetches mail with Python's own modules, over STARTTLS: mail.py smtp|imap|pop3 HOST PORT CA."""

import imaplib
import poplib
import smtplib
import ssl
import sys

protocol, host, port, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)

if protocol == "smtp":
    with smtplib.SMTP(host, int(port), timeout=20) as smtp:
        smtp.starttls(context=context)
        refused = smtp.sendmail("joe@sender.example", [f"joe@{host}"], "Subject: hello\r\n\r\nhello\r\n")
        print("refused" if refused else "sent")
elif protocol == "imap":
    with imaplib.IMAP4(host, int(port), timeout=20) as imap:
        imap.starttls(context)
        imap.login("joe", "secret")
        print(imap.select("INBOX")[0])
else:
    pop3 = poplib.POP3(host, int(port), timeout=20)
    pop3.stls(context)
    pop3.user("joe")
    print(pop3.pass_("secret").decode())
    pop3.quit()
