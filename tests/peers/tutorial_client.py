import socket
from Crypto.PublicKey import RSA
from Crypto.Cipher import PKCS1_OAEP

def start_client():
    client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client_socket.connect(('localhost', 8000))
    
    # 서버로부터 공개 키 수신
    public_key = client_socket.recv(2048)
    
    # 공개 키로부터 RSA 키 쌍 생성
    key = RSA.import_key(public_key)
    
    # 암호화 및 복호화를 위한 RSA 암호화 객체 생성
    cipher = PKCS1_OAEP.new(key)
    
    while True:
        message = input('Enter message: ')
        encrypted_message = cipher.encrypt(message.encode('utf-8'))
        client_socket.send(encrypted_message)
        
        if message == 'exit':
            break
        
        data = client_socket.recv(1024)
        decrypted_data = cipher.decrypt(data)
        
        print('Received:', decrypted_data.decode('utf-8'))

    client_socket.close()

start_client()
